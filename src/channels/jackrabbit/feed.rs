//! The list of classes as Jackrabbit writes it, and as it is meant. What a row says wrongly is left out; a row without a
//! name or a number is no class.

use std::sync::Arc;

use anyhow::{Context, ensure};
use chrono::{NaiveDate, NaiveTime};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::{
    channels::jackrabbit::links,
    kernel::{text, vocabulary::Weekday},
};

/// Most rows that are read.
const ROWS_MAX: usize = 5_000;
/// Upper ages from here on mean that there is none, in months.
const NO_LIMIT: u32 = 90 * 12;
/// Longest name that is told, in characters.
const NAME_MAX: usize = 120;

/// A class of a school.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// Its number at Jackrabbit.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its categories: what schools call levels.
    pub levels: Vec<String>,
    /// The place's code, for links.
    pub location_code: Option<String>,
    /// The place's name.
    pub location: Option<String>,
    /// The season.
    pub session: Option<String>,
    /// On which days it meets, Monday first.
    pub days: Vec<Weekday>,
    /// From when, by the school's clock.
    pub starts: Option<NaiveTime>,
    /// Until when.
    pub ends: Option<NaiveTime>,
    /// Its first day.
    pub first_day: Option<NaiveDate>,
    /// The first day on which it can be registered for.
    pub registers_from: Option<NaiveDate>,
    /// Its last day.
    pub last_day: Option<NaiveDate>,
    /// Youngest age, in months; `None` for no limit.
    pub min_age: Option<u32>,
    /// Highest age, in months, itself included; `None` for no limit.
    pub max_age: Option<u32>,
    /// Open places; negative while people wait. `None` where it is not said, which is not "some".
    pub seats: Option<i64>,
    /// Open places of each of its days, where each is booked on its own.
    pub seats_by_day: Option<Vec<(Weekday, i64)>>,
    /// People may wait for a place.
    pub has_waitlist: bool,
    /// What it costs, in cents, each `billing`.
    pub fee_cents: Option<i64>,
    /// For how long that is, such as `Monthly`.
    pub billing: Option<String>,
    /// Where to register; an address of Jackrabbit's own.
    pub link: Option<String>,
}

impl Class {
    /// Open places of somebody who wishes for this day.
    #[must_use]
    pub fn seats_on(&self, day: Option<Weekday>) -> Option<i64> {
        match (day, &self.seats_by_day) {
            (Some(day), Some(by_day)) => by_day.iter().find(|(known, _)| *known == day).map(|(_, seats)| *seats),
            _ => self.seats,
        }
    }

    /// Whether there is a place for certain.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.seats.is_some_and(|seats| seats > 0)
    }
}

#[derive(Deserialize)]
struct Feed<'f> {
    success: Option<bool>,
    #[serde(borrow, default)]
    rows: Vec<&'f RawValue>,
}

/// Members are read as they come: what one school writes as a number, another writes as text.
#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    name: Value,
    #[serde(default)]
    category1: Value,
    #[serde(default)]
    category2: Value,
    #[serde(default)]
    category3: Value,
    #[serde(default)]
    location_code: Value,
    #[serde(default)]
    location: Value,
    #[serde(default)]
    location_name: Value,
    #[serde(default)]
    session: Value,
    #[serde(default)]
    meeting_days: Value,
    #[serde(default)]
    start_time: Value,
    #[serde(default)]
    end_time: Value,
    #[serde(default)]
    start_date: Value,
    #[serde(default)]
    end_date: Value,
    #[serde(default)]
    reg_start_date: Value,
    #[serde(default)]
    master_class: Value,
    /// Some schools' lists have here what belongs to `openings`.
    #[serde(default)]
    days: Value,
    #[serde(default)]
    min_age: Value,
    #[serde(default)]
    max_age: Value,
    #[serde(default)]
    openings: Value,
    #[serde(default)]
    waitlist: Value,
    #[serde(default)]
    tuition: Value,
    #[serde(default, rename = "BillingCycle")]
    billing_cycle: Value,
    #[serde(default)]
    online_reg_link: Value,
}

/// Reads a list.
///
/// # Errors
/// When it is no list, or says of itself that it failed.
pub(super) fn read(body: &[u8]) -> anyhow::Result<Arc<[Class]>> {
    let feed: Feed<'_> = serde_json::from_slice(body).context("not a list of classes")?;
    ensure!(feed.success != Some(false), "the list says that it failed");
    ensure!(feed.success.is_some() || !feed.rows.is_empty(), "neither rows nor a word of success");
    let rows = feed.rows.iter().take(ROWS_MAX);
    Ok(rows.filter_map(|row| class(&serde_json::from_str(row.get()).ok()?)).collect())
}

fn class(row: &Row) -> Option<Class> {
    let id = said(&row.id).filter(|id| id.len() <= 20 && id.bytes().all(|byte| byte.is_ascii_digit()))?;
    let billing = said(&row.billing_cycle).or_else(|| said(row.tuition.get("billingCycle")?));
    Some(Class {
        id,
        // Schools mark notes to themselves by a leading underscore.
        name: said(&row.name)?.trim_start_matches('_').trim_start().to_owned(),
        levels: [&row.category1, &row.category2, &row.category3].into_iter().filter_map(said).collect(),
        location_code: said(&row.location_code).or_else(|| said(&row.location)),
        location: said(&row.location_name).or_else(|| said(&row.location)),
        session: said(&row.session),
        days: days(&row.meeting_days),
        starts: said(&row.start_time).and_then(|time| NaiveTime::parse_from_str(&time, "%H:%M").ok()),
        ends: said(&row.end_time).and_then(|time| NaiveTime::parse_from_str(&time, "%H:%M").ok()),
        first_day: said(&row.start_date).and_then(|day| day.parse().ok()),
        registers_from: said(&row.reg_start_date).and_then(|day| day.parse().ok()),
        last_day: said(&row.end_date).and_then(|day| day.parse().ok()),
        min_age: said(&row.min_age).and_then(|age| months(&age)),
        max_age: said(&row.max_age).and_then(|age| months(&age)).filter(|months| *months < NO_LIMIT),
        seats: row.openings.get("calculated_openings").and_then(said).and_then(|seats| seats.parse().ok()),
        seats_by_day: (row.master_class == Value::Bool(true)).then(|| {
            let by_day = row.openings.get("days").unwrap_or(&row.days);
            let seats = |mark| said(by_day.get(mark)?)?.parse().ok();
            WEEK.into_iter().filter_map(|(mark, day)| Some((day, seats(mark)?))).collect()
        }),
        has_waitlist: row.waitlist == Value::Bool(true),
        fee_cents: row.tuition.get("fee").and_then(said).and_then(|fee| cents(&fee)),
        billing,
        link: said(&row.online_reg_link).and_then(|link| links::own(&link)),
    })
}

/// A member's text, unescaped, in one line and bounded; nothing if it says nothing.
fn said(value: &Value) -> Option<String> {
    let plain = match value {
        Value::String(text) => text::unescaped(text),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let is_link = plain.trim_start().starts_with("http");
    let words = plain.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    let bounded: String = line.chars().take(if is_link { 2_000 } else { NAME_MAX }).collect();
    Some(bounded).filter(|text| !text.is_empty())
}

/// The days as lists have them.
const WEEK: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

fn days(marks: &Value) -> Vec<Weekday> {
    WEEK.into_iter().filter(|(mark, _)| marks.get(mark) == Some(&Value::Bool(true))).map(|(_, day)| day).collect()
}

/// An age such as `P03Y06M` in months.
fn months(age: &str) -> Option<u32> {
    let (mut total, mut number) = (None, String::new());
    for c in age.strip_prefix('P')?.chars() {
        let unit = match c {
            'Y' => 12,
            'M' => 1,
            digit => {
                number.push(digit);
                continue;
            }
        };
        let count: u32 = std::mem::take(&mut number).parse().ok()?;
        total = Some(total.unwrap_or(0_u32).checked_add(count.checked_mul(unit)?)?);
    }
    total.filter(|_| number.is_empty())
}

/// An amount such as `35.5` in cents.
fn cents(amount: &str) -> Option<i64> {
    let (whole, part) = amount.split_once('.').unwrap_or((amount, ""));
    let part: String = part.chars().chain("00".chars()).take(2).collect();
    let is_plain = !whole.is_empty() && [whole, &part].iter().all(|text| text.bytes().all(|b| b.is_ascii_digit()));
    is_plain.then(|| whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(part.parse().ok()?)).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The classes of a list with these rows.
    fn rows(rows: &Value) -> Vec<Class> {
        read(json!({ "success": true, "rows": rows }).to_string().as_bytes()).expect("a list").to_vec()
    }

    #[test]
    fn the_recorded_list_gives_the_open_classes() {
        let vector: Value =
            serde_json::from_str(include_str!("../../../tests/vectors/jackrabbit-openings.json")).expect("the vector");
        let classes = read(vector["feed"].to_string().as_bytes()).expect("a list");
        let day = |day: &Weekday| day.as_str().chars().take(3).collect::<String>().to_lowercase();
        let open: Vec<Value> = classes
            .iter()
            .filter(|class| class.is_open())
            .map(|class| {
                json!({
                    "id": class.id,
                    "name": class.name,
                    "openings": class.seats,
                    "days": class.days.iter().map(day).collect::<Vec<_>>(),
                    "start_time": class.starts.map(|time| time.format("%H:%M").to_string()),
                    "min_age_months": class.min_age,
                    "max_age_months": class.max_age,
                    "fee_cents": class.fee_cents,
                    "link": class.link,
                })
            })
            .collect();
        assert_eq!(Value::from(open), vector["expected_available"]);
        assert_eq!(classes.len(), 6);
        let last = classes.last().expect("a class");
        assert_eq!(last.location.as_deref(), Some("East & West Pool"));
        assert_eq!(last.billing.as_deref(), Some("Monthly"));
        assert_eq!(classes[0].billing.as_deref(), Some("Monthly"));
    }

    #[test]
    fn what_a_row_says_wrongly_is_left_out() {
        let odd = rows(&json!([
            { "id": 1, "name": "_Staff <b>only</b>", "openings": { "calculated_openings": "2" }, "min_age": "P0Y6M",
              "max_age": "P90Y", "tuition": { "fee": "12.345" }, "start_time": "25:00", "end_date": "soon",
              "online_reg_link": "https://jackrabbitclass.com.evil.example/reg.asp" },
            { "id": 2, "name": "No seats said", "min_age": "six", "tuition": { "fee": "free" }, "openings": 5 },
            { "id": "../3", "name": "No number" }, { "id": 4, "name": " \r\n " }, { "name": "x" }, "text", null, 7,
        ]));
        assert_eq!(odd.len(), 2);
        assert_eq!((odd[0].name.as_str(), odd[0].seats, odd[0].fee_cents), ("Staff <b>only</b>", Some(2), Some(1234)));
        assert_eq!((odd[0].min_age, odd[0].max_age, odd[0].starts, odd[0].last_day), (Some(6), None, None, None));
        assert_eq!(odd[0].link, None);
        assert_eq!((odd[1].seats, odd[1].is_open(), odd[1].min_age, odd[1].fee_cents), (None, false, None, None));
    }

    #[test]
    fn places_are_those_of_a_day_where_each_day_is_booked_on_its_own() {
        let by_day = json!({ "mon": 2, "wed": "0", "fri": null });
        let classes = rows(&json!([
            { "id": 1, "name": "By day", "master_class": true, "openings": { "calculated_openings": 9, "days": by_day } },
            { "id": 2, "name": "Days beside", "master_class": true, "openings": { "calculated_openings": 9 }, "days": by_day },
            { "id": 3, "name": "Whole", "master_class": false, "openings": { "calculated_openings": 9, "days": by_day } },
        ]));
        let seats = |class: &Class| {
            [None, Some(Weekday::Monday), Some(Weekday::Wednesday), Some(Weekday::Friday)]
                .map(|day| class.seats_on(day))
        };
        assert_eq!(seats(&classes[0]), [Some(9), Some(2), Some(0), None]);
        assert_eq!(seats(&classes[1]), [Some(9), Some(2), Some(0), None]);
        assert_eq!(seats(&classes[2]), [Some(9); 4]);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for body in
            ["", "<html>", "[]", "{}", r#"{"success":false,"rows":[]}"#, r#"{"rows":[]}"#, r#"{"success":true,"rows":"#]
        {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
        assert!(read(br#"{"success":true,"rows":[]}"#).expect("empty").is_empty());
        assert_eq!(read(br#"{"rows":[{"id":1,"name":"x"}]}"#).expect("a list").len(), 1);
    }

    #[test]
    fn no_more_rows_are_read_than_there_may_be() {
        let many: Vec<Value> = (1..=5_100).map(|id| json!({ "id": id, "name": "x" })).collect();
        assert_eq!(rows(&many.into()).len(), 5_000);
    }

    #[test]
    fn ages_and_amounts_are_read_exactly() {
        for (text, expected) in [
            ("P03Y06M", Some(42)),
            ("P5Y", Some(60)),
            ("P8M", Some(8)),
            ("P", None),
            ("PY", None),
            ("3Y", None),
            ("P3Y6", None),
            ("P3D", None),
            ("P999999999Y", None),
        ] {
            assert_eq!(months(text), expected, "{text}");
        }
        for (text, expected) in
            [("35.5", Some(3550)), ("140.00", Some(14000)), ("7", Some(700)), ("-1", None), ("1e3", None), (".5", None)]
        {
            assert_eq!(cents(text), expected, "{text}");
        }
    }
}
