//! Events of a call in JSON: Telnyx's envelope around `call.…` and `assistant.initialization`, and the results of insights,
//! which come without it. Each says a part of what there is to know. Must not know TeXML's forms.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use ring::digest;
use serde_json::Value;

use super::pieces::{link, name, seconds, text, words};
use crate::{
    channels::{delivery::Rejection, telnyx::moment},
    kernel::vocabulary::{CallDirection, CallOutcome},
};

/// Most lines of a transcript.
const LINES_MAX: usize = 2_000;
/// Longest line, in characters.
const LINE_MAX: usize = 16_000;
/// Most insights of a call.
const INSIGHTS_MAX: usize = 50;
/// Longest insight, in characters.
const INSIGHT_MAX: usize = 10_000;

const UNREADABLE: Rejection =
    Rejection::Unreadable("The body is not a Telnyx event: JSON with `event_type`, in `data` or without it.");

/// What an event says of a call; `None` where it says nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CallEvent {
    /// The same on every try.
    pub id: String,
    /// What happened, in the provider's words.
    pub kind: String,
    /// The provider's name of the call.
    pub call: Option<String>,
    /// The provider's name of the assistant's conversation.
    pub conversation: Option<String>,
    /// The provider's name of the assistant.
    pub assistant: Option<String>,
    /// Who called whom.
    pub direction: Option<CallDirection>,
    /// Who called.
    pub from: Option<String>,
    /// Who was called.
    pub to: Option<String>,
    /// The customer's end, where that is said.
    pub customer: Option<String>,
    /// Our end, where that is said.
    pub agent: Option<String>,
    /// The network vouches for the customer's number.
    pub is_attested: bool,
    /// When it happened.
    pub occurred_at: Option<DateTime<Utc>>,
    /// When the call began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// How long it was.
    pub duration_seconds: Option<i32>,
    /// What became of it.
    pub outcome: Option<CallOutcome>,
    /// Where it can be heard, as the provider gave it.
    pub recording_url: Option<String>,
    /// What was said.
    pub transcript: Vec<Line>,
    /// What the provider makes of it, by the insight's name: a text, or JSON.
    pub insights: BTreeMap<String, Value>,
}

/// A line of a transcript.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Who said it.
    pub by: Speaker,
    /// What.
    pub text: String,
    /// When, where that is told.
    pub at: Option<DateTime<Utc>>,
}

/// Who speaks in a call. What tools and the system say is not spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The customer.
    Customer,
    /// The assistant.
    Assistant,
}

impl CallEvent {
    /// The ends that should be ours, the likeliest first.
    #[must_use]
    pub fn our_ends(&self) -> Vec<&str> {
        let (from, to) = (self.from.as_deref(), self.to.as_deref());
        let ends = match (self.agent.as_deref(), self.direction) {
            (Some(agent), _) => [Some(agent), None],
            (None, Some(CallDirection::Inbound)) => [to, None],
            (None, Some(CallDirection::Outbound)) => [from, None],
            (None, None) => [to, from],
        };
        ends.into_iter().flatten().collect()
    }

    /// All texts in it, for tests of what can be stored.
    #[cfg(test)]
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let names = [&self.call, &self.conversation, &self.assistant, &self.from, &self.to, &self.recording_url];
        let insights = self.insights.iter().flat_map(|(name, result)| [Some(name.as_str()), result.as_str()]).flatten();
        let said = self.transcript.iter().map(|line| line.text.as_str());
        let own = [self.id.as_str(), self.kind.as_str()].into_iter();
        own.chain(names.into_iter().flatten().map(String::as_str)).chain(said).chain(insights)
    }
}

/// Reads a body in JSON.
pub(super) fn read(body: &[u8]) -> Result<CallEvent, Rejection> {
    let whole: Value = serde_json::from_slice(body).map_err(|_| UNREADABLE)?;
    let event = whole.get("data").unwrap_or(&whole);
    let kind = text(event, "event_type").and_then(name).ok_or(UNREADABLE)?;
    let payload = event.get("payload").filter(|payload| payload.is_object()).ok_or(UNREADABLE)?;
    // An envelope has an id; what comes without one has its request's, or is known by its bytes.
    let id = match event.get("id") {
        Some(id) => id.as_str().and_then(name).ok_or(UNREADABLE)?,
        None if whole.get("data").is_some() => return Err(UNREADABLE),
        None => text(payload, "request_id")
            .and_then(name)
            .unwrap_or_else(|| hex::encode(digest::digest(&digest::SHA256, body))),
    };
    let mut read = CallEvent { id, occurred_at: text(event, "occurred_at").and_then(moment), ..common(payload) };
    match kind.as_str() {
        "call.initiated" | "call.answered" => read.started_at = began(payload),
        "call.conversation.ended" => {
            read.ended_at = read.occurred_at;
            read.duration_seconds = payload.get("duration_sec").and_then(seconds);
            read.transcript = transcript(payload);
            read.outcome = Some(CallOutcome::Completed);
        }
        "call.conversation.start_failed" => read.outcome = Some(CallOutcome::AssistantFailed),
        "call.analyzed" => {
            read.duration_seconds = payload.get("duration_sec").and_then(seconds);
            read.recording_url = recording(payload);
            read.insights = insights(payload.get("conversation_insights"));
        }
        "call.conversation_insights.generated" | "conversation_insight_result" if is_whole(payload) => {
            read.insights = insights(payload.get("results"));
        }
        "call.recording.saved" => read.recording_url = recording(payload),
        "call.hangup" => {
            read.started_at = began(payload);
            read.ended_at = read.occurred_at;
            read.duration_seconds = read.started_at.zip(read.ended_at).and_then(|(from, to)| lasted(from, to));
            read.outcome = text(payload, "hangup_cause").map(hung_up);
        }
        "assistant.initialization" => read.started_at = read.occurred_at,
        _ => {}
    }
    read.kind = kind;
    Ok(read)
}

/// What events have in common. Of an insight, it stands in `metadata`.
fn common(payload: &Value) -> CallEvent {
    let member = |member: &str| text(payload, member).or_else(|| text(payload.get("metadata")?, member)).and_then(name);
    CallEvent {
        call: member("call_control_id"),
        conversation: member("conversation_id").or_else(|| member("telnyx_conversation_id")),
        assistant: member("assistant_id"),
        direction: match member("direction").as_deref() {
            Some("incoming" | "inbound") => Some(CallDirection::Inbound),
            Some("outgoing" | "outbound") => Some(CallDirection::Outbound),
            _ => None,
        },
        from: member("from"),
        to: member("to"),
        customer: member("telnyx_end_user_target"),
        agent: member("telnyx_agent_target"),
        is_attested: payload.get("telnyx_end_user_target_verified") == Some(&Value::Bool(true)),
        ..CallEvent::default()
    }
}

fn began(payload: &Value) -> Option<DateTime<Utc>> {
    text(payload, "start_time").and_then(moment)
}

/// Whole seconds from one moment to a later one.
pub(super) fn lasted(from: DateTime<Utc>, to: DateTime<Utc>) -> Option<i32> {
    seconds(&Value::from((to - from).num_seconds()))
}

fn hung_up(cause: &str) -> CallOutcome {
    match cause {
        "normal_clearing" | "time_limit" => CallOutcome::Completed,
        "no_answer" | "timeout" => CallOutcome::NoAnswer,
        "user_busy" => CallOutcome::Busy,
        "call_rejected" => CallOutcome::Rejected,
        "originator_cancel" => CallOutcome::Cancelled,
        _ => CallOutcome::Failed,
    }
}

fn transcript(payload: &Value) -> Vec<Line> {
    let all = payload.get("messages").and_then(Value::as_array);
    all.into_iter().flatten().filter_map(line).take(LINES_MAX).collect()
}

fn line(message: &Value) -> Option<Line> {
    let by = match text(message, "role")? {
        "user" => Speaker::Customer,
        "assistant" => Speaker::Assistant,
        _ => return None,
    };
    let spoken = match message.get("content").or_else(|| message.get("text"))? {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| text(part, "text")).collect::<Vec<_>>().join(" "),
        _ => return None,
    };
    let at = ["timestamp", "sent_at", "created_at"].into_iter().find_map(|member| text(message, member));
    Some(Line { by, text: words(&spoken, LINE_MAX)?, at: at.and_then(moment) })
}

/// Only what is finished counts.
fn is_whole(payload: &Value) -> bool {
    text(payload, "status").is_none_or(|status| status == "completed")
}

fn insights(results: Option<&Value>) -> BTreeMap<String, Value> {
    let all = results.and_then(Value::as_array).into_iter().flatten().take(INSIGHTS_MAX);
    all.enumerate()
        .filter_map(|(place, result)| {
            let id = text(result, "insight_id").and_then(name).unwrap_or_else(|| format!("#{place}"));
            let said = match result.get("result")? {
                Value::String(text) => text.clone(),
                Value::Null => return None,
                structured => structured.to_string(),
            };
            // An insight with a schema comes as JSON in a text.
            let said = words(&said, INSIGHT_MAX)?;
            let structured =
                serde_json::from_str(&said).ok().filter(|value: &Value| value.is_object() && is_storable(value));
            Some((id, structured.unwrap_or(Value::String(said))))
        })
        .collect()
}

/// Whether nothing in it is a NUL.
fn is_storable(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.contains('\0'),
        Value::Array(items) => items.iter().all(is_storable),
        Value::Object(members) => members.iter().all(|(name, value)| !name.contains('\0') && is_storable(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

/// The first recording, in any of the forms in which Telnyx names one.
fn recording(payload: &Value) -> Option<String> {
    let first = payload.get("recordings").and_then(|all| all.get(0));
    let places = [first, payload.get("recording_urls"), payload.get("public_recording_urls"), Some(payload)];
    places.into_iter().flatten().find_map(|place| {
        let given = place.as_str().into_iter();
        let named =
            ["url", "recording_url", "download_url", "mp3", "wav"].into_iter().filter_map(|name| text(place, name));
        given.chain(named).find_map(link)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(kind: &str, payload: &Value) -> CallEvent {
        let body = json!({ "data": { "id": "e1", "event_type": kind, "occurred_at": "2026-01-02T10:20:06Z",
            "record_type": "event", "payload": payload }, "meta": { "attempt": 1 } });
        read(body.to_string().as_bytes()).expect("an event")
    }

    #[test]
    fn the_end_of_a_conversation_brings_what_was_spoken() {
        let ended = event(
            "call.conversation.ended",
            &json!({ "call_control_id": "v3:A", "conversation_id": "c1", "assistant_id": "assistant-1", "duration_sec": 61.4,
                "from": "+15555550111", "to": "+15555550122", "messages": [
                    { "role": "system", "content": "You are" }, { "role": "assistant", "content": "Hi", "timestamp": "2026-01-02T10:19:06Z" },
                    { "role": "user", "content": " Any room?\u{0} ", "timestamp": "soon" }, { "role": "tool", "tool_call_id": "t", "content": "{}" },
                    { "role": "assistant", "tool_calls": [{ "id": "t" }] }, { "role": "user", "content": "" }, "x", null,
                    { "role": "user", "content": [{ "type": "text", "text": "Yes" }, { "type": "text", "text": "please" }] } ] }),
        );
        let said: Vec<_> =
            ended.transcript.iter().map(|line| (line.by, line.text.as_str(), line.at.is_some())).collect();
        let expected = [
            (Speaker::Assistant, "Hi", true),
            (Speaker::Customer, "Any room?", false),
            (Speaker::Customer, "Yes please", false),
        ];
        assert_eq!(said, expected);
        assert_eq!((ended.duration_seconds, ended.outcome), (Some(61), Some(CallOutcome::Completed)));
        assert_eq!((ended.call.as_deref(), ended.conversation.as_deref()), (Some("v3:A"), Some("c1")));
        assert_eq!(ended.our_ends(), ["+15555550122", "+15555550111"]);
    }

    #[test]
    fn a_hangup_says_how_and_when() {
        let payload = |cause: &str| json!({ "call_control_id": "v3:A", "start_time": "2026-01-02T10:17:36Z", "hangup_cause": cause });
        let hangup = event("call.hangup", &payload("normal_clearing"));
        assert_eq!((hangup.duration_seconds, hangup.outcome), (Some(150), Some(CallOutcome::Completed)));
        for (cause, outcome) in [
            ("originator_cancel", CallOutcome::Cancelled),
            ("no_answer", CallOutcome::NoAnswer),
            ("user_busy", CallOutcome::Busy),
            ("call_rejected", CallOutcome::Rejected),
            ("not_found", CallOutcome::Failed),
            ("canary", CallOutcome::Failed),
        ] {
            assert_eq!(event("call.hangup", &payload(cause)).outcome, Some(outcome), "{cause}");
        }
        let early = event("call.hangup", &json!({ "start_time": "2026-01-02T11:00:00Z" }));
        assert_eq!((early.duration_seconds, early.outcome), (None, None));
    }

    #[test]
    fn insights_come_with_and_without_an_envelope() {
        let payload = json!({ "request_id": "req-1", "conversation_id": "66b5", "status": "completed",
            "metadata": { "call_control_id": "v3:A", "from": "+1", "telnyx_end_user_target": "+15555550111" },
            "results": [{ "insight_id": "i1", "result": "{\"intent\":\"register\"}" }, { "insight_id": "i2", "result": "Wants Saturdays." },
                        { "insight_id": "i3", "result": { "a": 1 } }, { "result": "no name" }, { "insight_id": "i5", "result": null }] });
        let bare = json!({ "record_type": "event", "event_type": "conversation_insight_result", "payload": payload });
        let read_bare = read(bare.to_string().as_bytes()).expect("an event");
        assert_eq!((read_bare.id.as_str(), read_bare.call.as_deref()), ("req-1", Some("v3:A")));
        assert_eq!(
            (read_bare.customer.as_deref(), read_bare.conversation.as_deref()),
            (Some("+15555550111"), Some("66b5"))
        );
        let told =
            json!({ "#3": "no name", "i1": { "intent": "register" }, "i2": "Wants Saturdays.", "i3": { "a": 1 } });
        assert_eq!(serde_json::to_value(&read_bare.insights).expect("JSON"), told);
        assert_eq!(event("conversation_insight_result", &payload).insights, read_bare.insights);
        let mut unfinished = payload.clone();
        unfinished["status"] = json!("in_progress");
        assert!(event("conversation_insight_result", &unfinished).insights.is_empty());
        // Without a request's id it is known by its bytes.
        let nameless = br#"{"event_type":"conversation_insight_result","payload":{}}"#;
        assert_eq!(read(nameless).expect("an event").id.len(), 64);
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for body in [
            "{}",
            r#"{"data":null}"#,
            r#"{"data":{"event_type":"x","payload":{}}}"#,
            r#"{"data":{"id":7,"event_type":"x","payload":{}}}"#,
            r#"{"data":{"id":"a\u0000b","event_type":"x","payload":{}}}"#,
            r#"{"event_type":7,"payload":{}}"#,
            r#"{"event_type":"x"}"#,
            r#"{"event_type":"x","payload":[]}"#,
            r#"{"event_type":"x","payload":{}} {}"#,
        ] {
            assert!(matches!(read(body.as_bytes()), Err(Rejection::Unreadable(_))), "{body}");
        }
    }

    #[test]
    fn a_recording_is_found_in_each_form_and_is_a_link() {
        for (payload, found) in [
            (json!({ "recordings": ["https://r.example/1.mp3"] }), Some("https://r.example/1.mp3")),
            (
                json!({ "recordings": [{ "recording_url": "https://r.example/2.mp3" }] }),
                Some("https://r.example/2.mp3"),
            ),
            (json!({ "recording_urls": { "wav": "https://r.example/3.wav" } }), Some("https://r.example/3.wav")),
            (json!({ "recordings": ["javascript:alert(1)"] }), None),
            (json!({ "recordings": [{ "url": 7 }] }), None),
        ] {
            assert_eq!(recording(&payload).as_deref(), found, "{payload}");
        }
    }
}
