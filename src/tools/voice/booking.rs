//! A meeting for a caller. Who they are is their number's lead; what they say of themselves is kept with it. Asked for
//! twice in a call, it is booked once.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{Request, key, refused, spoken, told, words};
use crate::{
    channels::jackrabbit::Language,
    context::TenantCx,
    domain::calls,
    kernel::failure::Outcome,
    tools::{Tool, voice::arguments},
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
    let at = Some(call.conversation);
    if !person.is_empty() {
        let kept = told(cx, Tool::CaptureLead, at, &person.into()).await;
        if kept.contains_key("error") {
            return Ok(spoken(kept, language, |_| None));
        }
    }
    let booked = told(cx, Tool::BookMeeting, at, &arguments.into()).await;
    let is_booked = !booked.contains_key("error");
    let answer = spoken(booked, language, |told| words::booked(told, language));
    if is_booked {
        cx.write(async |tx| calls::note_done(cx, tx, call.id, Tool::BookMeeting.action(), &key, &answer).await).await?;
    }
    Ok(answer)
}

/// The same moment is the same wish, however it is written.
fn asked_key(arguments: &Map<String, Value>, person: &Map<String, Value>) -> String {
    let moment = |value: &Value| {
        let at = DateTime::parse_from_rfc3339(value.as_str()?).ok()?;
        Some(at.with_timezone(&Utc).to_rfc3339())
    };
    let parts: Vec<_> = arguments
        .iter()
        .chain(person)
        .map(|(name, value)| format!("{name}={}", moment(value).unwrap_or_else(|| value.to_string().to_lowercase())))
        .collect();
    key(&parts.iter().map(String::as_str).collect::<Vec<_>>())
}
