//! `get_classes`: which classes of the school have open places.

use chrono::{NaiveTime, TimeDelta};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    channels::jackrabbit::{self, Class, Language, Wish},
    context::TenantCx,
    kernel::{
        failure::{Failure, Outcome, Refusal},
        text,
        vocabulary::Weekday,
    },
    tools::{Declaration, answer::Answer, means::Means, schema},
};

/// Highest age that is asked for, in months.
const AGE_MAX: u32 = 1_200;
/// Most places that are asked for.
const SEATS_MAX: i64 = 20;

/// How old a list may be before it is said of when it is.
const NEW: TimeDelta = TimeDelta::minutes(30);

/// What the customer speaks.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(super) enum Spoken {
    En,
    Es,
}

/// What the model gives.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    location: Option<String>,
    level: Option<String>,
    age_months: Option<u32>,
    day: Option<Weekday>,
    seats: Option<i64>,
    language: Option<Spoken>,
}

pub(super) fn declaration() -> Declaration {
    Declaration {
        name: "get_classes",
        description: "Finds classes with open places. `say` in the answer can be spoken as it is. Offer no class that is not \
                      in the answer: the others have too few places.",
        parameters: schema::object(&[
            ("location", schema::optional_text("Part of the place's name or its code; null for all places.")),
            ("level", schema::optional_text("Part of the level's or the class's name; null for all levels.")),
            (
                "age_months",
                schema::optional_integer(
                    "The swimmer's age in months, 0 to 1200: a child of three and a half is 42; null if it was not said.",
                ),
            ),
            (
                "day",
                schema::optional_word(
                    "The day of the week; null for all days.",
                    &["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"],
                ),
            ),
            ("seats", schema::optional_integer("How many places are needed, 1 to 20; null for one.")),
            ("language", schema::optional_word("The customer's language, for `say`; null for English.", &["en", "es"])),
        ]),
    }
}

pub(super) async fn run(cx: &TenantCx, means: &Means, asked: Arguments) -> Outcome<Answer> {
    let wish = Wish {
        location: text::optional("location", asked.location.as_deref(), 100)?,
        level: text::optional("level", asked.level.as_deref(), 100)?,
        age: asked.age_months,
        day: asked.day,
        seats: asked.seats,
    };
    if wish.age.is_some_and(|age| age > AGE_MAX) {
        return Err(Refusal::input("age_months", format!("`age_months` must be from 0 to {AGE_MAX}.")).into());
    }
    if wish.seats.is_some_and(|seats| !(1..=SEATS_MAX).contains(&seats)) {
        return Err(Refusal::input("seats", format!("`seats` must be from 1 to {SEATS_MAX}.")).into());
    }
    let language = match asked.language {
        None | Some(Spoken::En) => Language::English,
        Some(Spoken::Es) => Language::Spanish,
    };
    let org = means.org.as_deref().ok_or_else(|| Failure::fault("a schedule without a school"))?;
    let openings = cx.services().jackrabbit.openings(org).await?;
    let choice = wish.among(&openings.classes, cx.now().with_timezone(&means.zone).date_naive());
    let mut say = choice.spoken(language);
    if cx.now() - openings.as_of > NEW {
        let at = openings.as_of.with_timezone(&means.zone).naive_local();
        say = format!("{} {say}", jackrabbit::as_of(at, language));
    }
    Ok(Answer::default()
        .with("say", say)
        .with("as_of", means.written(openings.as_of))
        .with("total", choice.open.len())
        .with("too_few_places", choice.full)
        .listing("classes", choice.open.iter().map(|class| told(class, asked.day)).collect()))
}

fn told(class: &Class, day: Option<Weekday>) -> Value {
    let time = |time: Option<NaiveTime>| time.map(|time| time.format("%H:%M").to_string());
    let fee = class.fee_cents.map(|cents| format!("{}.{:02}", cents / 100, cents % 100));
    json!({
        "class_id": class.id,
        "name": class.name,
        "levels": class.levels,
        "location": class.location,
        "session": class.session,
        "days": class.days,
        "starts": time(class.starts),
        "ends": time(class.ends),
        "first_day": class.first_day.map(|day| day.to_string()),
        "last_day": class.last_day.map(|day| day.to_string()),
        "min_age_months": class.min_age,
        "max_age_months": class.max_age,
        "open_places": class.seats_on(day),
        "fee": fee,
        "billing": class.billing,
    })
}
