//! `get_available_slots`: the times at which a meeting can be booked, and those that are booked for this customer. A reply that is
//! written anew knows nothing of what its first try did: without them it would say that the customer's own time is taken.

use chrono::{Days, NaiveTime};
use serde::Deserialize;

use crate::{
    context::TenantCx,
    db::tables::{conversations::ConversationRow, meetings as rows},
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
/// Most meetings of the customer's own that are told.
const BOOKED_MAX: i64 = 10;
/// What these are told as.
pub(super) const BOOKED: &str = "already_booked";

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
                      offer no other. What stands in `already_booked` was booked for this customer in this conversation: \
                      say so, and do not book it again.",
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

pub(super) async fn run(
    cx: &TenantCx,
    means: &Means,
    conversation: Option<&ConversationRow>,
    asked: &Arguments,
) -> Outcome<Answer> {
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
    let slots: Vec<_> = slots.iter().map(|slot| means.time(slot.starts_at)).collect();
    let booked = match conversation {
        Some(row) => cx.read(async |tx| rows::ahead(tx, row.id, cx.now(), BOOKED_MAX).await).await?,
        None => Vec::new(),
    };
    let answer = Answer::default().with("today", means.said(cx.now())).with("time_zone", means.zone.name());
    let booked: Vec<_> = booked.iter().map(|row| means.time(row.starts_at)).collect();
    let answer = if booked.is_empty() { answer } else { answer.with(BOOKED, booked) };
    Ok(answer.with("total", slots.len()).listing("slots", slots))
}
