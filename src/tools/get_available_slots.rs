//! `get_available_slots`: the times at which a meeting can be booked.

use chrono::{Days, NaiveTime};
use serde::Deserialize;
use serde_json::json;

use crate::{
    context::TenantCx,
    domain::{booking, meetings},
    kernel::{
        failure::{Failure, Outcome, Refusal},
        zone,
    },
    tools::{Declaration, answer::Answer, means::Means, schema},
};

/// Days that are looked through, if it is not said.
const DAYS: i32 = 7;
/// Most days that are looked through.
const DAYS_MAX: i32 = 14;

/// What the model gives.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    from_date: Option<String>,
    days: Option<i32>,
}

pub(super) fn declaration() -> Declaration {
    Declaration {
        name: "get_available_slots",
        description: "Tells at which times a meeting with the business can be booked. Call it before you offer a time, and \
                      offer no other.",
        parameters: schema::object(&[
            (
                "from_date",
                schema::optional_text(
                    "The first day to look at, by the business's calendar, such as 2026-12-01; null for today.",
                ),
            ),
            ("days", schema::optional_integer("How many days to look at, 1 to 14; null for 7.")),
        ]),
    }
}

pub(super) async fn run(cx: &TenantCx, means: &Means, asked: &Arguments) -> Outcome<Answer> {
    let today = cx.now().with_timezone(&means.zone).date_naive();
    let first = asked.from_date.as_deref().map(|day| booking::date("from_date", day)).transpose()?.unwrap_or(today);
    let days = asked.days.unwrap_or(DAYS);
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(Refusal::input("days", format!("`days` must be from 1 to {DAYS_MAX}.")).into());
    }
    let last = first.checked_add_days(Days::new(days.unsigned_abs().into()));
    let midnight = |day: chrono::NaiveDate| zone::instant(means.zone, day.and_time(NaiveTime::MIN));
    let times = (midnight(first), last.and_then(midnight));
    let (Some(from), Some(to)) = times else { return Err(Failure::fault("a day beyond the calendar")) };
    let slots = meetings::available(cx, from, to).await?;
    let slots = slots
        .iter()
        .map(|slot| json!({ "starts_at": means.written(slot.starts_at), "said": means.said(slot.starts_at) }));
    let slots: Vec<_> = slots.collect();
    Ok(Answer::default()
        .with("today", means.said(cx.now()))
        .with("time_zone", means.zone.name())
        .with("total", slots.len())
        .listing("slots", slots))
}
