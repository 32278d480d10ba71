//! A meeting for a caller. Who they are is their number's lead; what they say of themselves is kept with it. Asked for
//! twice in a call, it is booked once. Once begun it is not broken off: what stands is never told as failed.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use tokio::time::timeout_at;

use super::{Request, key, refused, spoken, told, words};
use crate::{
    channels::jackrabbit::Language,
    context::TenantCx,
    db::tables::meetings,
    domain::calls::{self, AtHand},
    kernel::{
        failure::{Failure, Outcome},
        ids::ConversationId,
        task,
    },
    tools::{Tool, means::Means, voice::arguments},
};

pub(super) async fn book(
    cx: &TenantCx,
    request: &Request<'_>,
    arguments: Map<String, Value>,
    language: Language,
) -> Outcome<Value> {
    let Some(name) = request.call else {
        return Ok(refused("Without a call's id nothing can be booked.", words::failed(language)));
    };
    let call = calls::at_hand(cx, name, arguments::end_user(request.asked)).await?;
    let person = arguments::fitted(Tool::CaptureLead, request.asked);
    let key = asked_key(&arguments, &person);
    if let Some(answer) = calls::done(cx, call.id, Tool::BookMeeting.action(), &key).await? {
        return Ok(answer);
    }
    let at = call.conversation;
    if !person.is_empty() {
        let kept = told(cx, Tool::CaptureLead, Some(at), &person.into()).await;
        if kept.contains_key("error") {
            return Ok(spoken(kept, language, |_| None));
        }
    }
    let starts_at = arguments.get("starts_at").and_then(moment);
    let booking = {
        let cx = cx.clone();
        task::spawn(async move { booked(&cx, &call, arguments, &key, language).await })
    };
    if let Ok(done) = timeout_at(request.deadline.work, booking).await {
        return done.map_err(|error| Failure::Fault(error.into()));
    }
    // It goes on. It may stand already, and only be late to say so.
    match timeout_at(request.deadline.answer, standing(cx, at, starts_at, language)).await {
        Ok(Ok(Some(answer))) => Ok(answer),
        _ => Ok(refused(
            "It is not known yet whether this is booked. Do not book another time.",
            words::unclear(language),
        )),
    }
}

/// Books, and notes that it was done.
async fn booked(cx: &TenantCx, call: &AtHand, arguments: Map<String, Value>, key: &str, language: Language) -> Value {
    let action = Tool::BookMeeting.action();
    let booked = told(cx, Tool::BookMeeting, Some(call.conversation), &arguments.into()).await;
    let is_booked = !booked.contains_key("error");
    let answer = spoken(booked, language, |told| words::booked(told, language));
    if is_booked
        && let Err(failure) = cx.write(async |tx| calls::note_done(cx, tx, call.id, action, key, &answer).await).await
    {
        // It stands all the same; asked for again, it is found.
        tracing::warn!(call = %call.id, ?failure, "a booking could not be noted");
    }
    answer
}

/// What is told of a meeting that is booked, where it is.
async fn standing(
    cx: &TenantCx,
    conversation: ConversationId,
    starts_at: Option<DateTime<Utc>>,
    language: Language,
) -> Outcome<Option<Value>> {
    let Some(starts_at) = starts_at else { return Ok(None) };
    let cx = &cx.for_background();
    let Some(row) = cx.read(async |tx| meetings::of_conversation(tx, conversation, starts_at).await).await? else {
        return Ok(None);
    };
    let means = Means::of(cx).await?;
    let told = json!({ "booked": true, "starts_at": means.written(row.starts_at), "said": means.said(row.starts_at) });
    let told = told.as_object().cloned().unwrap_or_default();
    Ok(Some(spoken(told, language, |told| words::booked(told, language))))
}

fn moment(value: &Value) -> Option<DateTime<Utc>> {
    Some(DateTime::parse_from_rfc3339(value.as_str()?.trim()).ok()?.with_timezone(&Utc))
}

/// The same moment is the same wish, however it is written.
fn asked_key(arguments: &Map<String, Value>, person: &Map<String, Value>) -> String {
    let written = |value: &Value| moment(value).map(|at| at.to_rfc3339());
    let parts: Vec<_> = arguments
        .iter()
        .chain(person)
        .map(|(name, value)| format!("{name}={}", written(value).unwrap_or_else(|| value.to_string().to_lowercase())))
        .collect();
    key(&parts.iter().map(String::as_str).collect::<Vec<_>>())
}
