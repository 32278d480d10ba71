//! `book_meeting`: books a free time for the customer of the conversation. Asked for again it is the same meeting, and is said to be.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::{
    context::TenantCx,
    db::tables::{conversations::ConversationRow, meetings},
    domain::meetings::{MeetingForm, book},
    kernel::failure::{Failure, Outcome, Refusal},
    tools::{Declaration, answer::Answer, means::Means, schema},
};

/// Most meetings of a conversation that lie ahead: nobody fills a calendar by asking for all of it.
const AHEAD_MAX: u8 = 3;

/// What the model gives.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    starts_at: String,
    title: Option<String>,
    notes: Option<String>,
}

pub(super) fn declaration() -> Declaration {
    Declaration {
        name: "book_meeting",
        description: "Books a meeting with the business for this customer, once they agreed on a time. Their name, and an \
                      address or a number, must have been kept by capture_lead.",
        parameters: schema::object(&[
            (
                "starts_at",
                schema::text("The beginning: `starts_at` of one of get_available_slots, exactly as it was told."),
            ),
            (
                "title",
                schema::optional_text("What the meeting is about, up to 200 characters; null if it was not said."),
            ),
            (
                "notes",
                schema::optional_text(
                    "What the business should know beforehand, up to 2,000 characters; null if nothing.",
                ),
            ),
        ]),
    }
}

pub(super) async fn run(
    cx: &TenantCx,
    means: &Means,
    conversation: &ConversationRow,
    asked: Arguments,
) -> Outcome<Answer> {
    let starts_at =
        DateTime::parse_from_rfc3339(asked.starts_at.trim()).map_err(|_| never_offered())?.with_timezone(&Utc);
    if conversation.lead_id.is_none() {
        let sentence =
            "Ask for the customer's name and phone number or e-mail address first, and keep them by capture_lead.";
        return Err(Refusal::input("conversation", sentence).into());
    }
    let (ahead, same) = cx
        .read(async |tx| {
            let same = meetings::of_conversation(tx, conversation.id, starts_at).await?;
            Ok((meetings::ahead(tx, conversation.id, cx.now(), AHEAD_MAX.into()).await?, same))
        })
        .await?;
    if ahead.len() >= usize::from(AHEAD_MAX) && same.is_none() {
        let sentence =
            "This customer has as many meetings ahead as can be booked here. A person of the business can book more.";
        return Err(Refusal::input("starts_at", sentence).into());
    }
    let form = MeetingForm {
        starts_at,
        lead: None,
        conversation: Some(conversation.id),
        title: asked.title,
        notes: asked.notes,
    };
    let row = book(cx, &form).await.map_err(worded)?;
    let mut answer = Answer::default()
        .with("booked", true)
        .with("starts_at", means.written(row.starts_at))
        .with("said", means.said(row.starts_at));
    if same.is_some() {
        answer = answer.with("note", "This was booked before, in this conversation. It is the same meeting.");
    }
    let others: Vec<_> =
        ahead.iter().filter(|other| other.id != row.id).map(|other| means.time(other.starts_at)).collect();
    if !others.is_empty() {
        // So that one who asked once, and is booked twice, hears of it.
        answer = answer.with("also_booked", others);
    }
    Ok(answer)
}

/// The graph's words on a time, in the tools' own.
fn worded(failure: Failure) -> Failure {
    use crate::kernel::failure::ErrorCode;
    match failure {
        Failure::Refused(refusal) if refusal.field == Some("startsAt") && refusal.code == ErrorCode::Conflict => {
            Refusal::conflict("starts_at", "This time is taken. Call get_available_slots and offer another.").into()
        }
        Failure::Refused(refusal) if refusal.field == Some("startsAt") => never_offered().into(),
        other => other,
    }
}

fn never_offered() -> Refusal {
    Refusal::input("starts_at", "`starts_at` must be one that get_available_slots told, exactly as it was told.")
}
