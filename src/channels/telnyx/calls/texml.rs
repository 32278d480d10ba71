//! TeXML's status callbacks: a form for each step of a call. Must not know JSON events.

use std::collections::HashMap;

use serde_json::Value;

use super::{
    event::{CallEvent, lasted},
    pieces::{link, name, seconds},
};
use crate::{
    channels::{delivery::Rejection, telnyx::moment},
    kernel::vocabulary::{CallDirection, CallOutcome},
};

/// Most fields of a form.
const FIELDS_MAX: usize = 200;

const UNREADABLE: Rejection = Rejection::Unreadable(
    "The body is neither a Telnyx event in JSON nor a TeXML form with `CallSid` and `CallStatus`.",
);

/// Reads a form.
pub(super) fn read(body: &[u8]) -> Result<CallEvent, Rejection> {
    let text = std::str::from_utf8(body).map_err(|_| UNREADABLE)?;
    let mut fields: HashMap<String, String> = HashMap::new();
    for (field, value) in url::form_urlencoded::parse(text.as_bytes()).take(FIELDS_MAX) {
        // Of two of a name, nobody knows which is meant.
        if fields.insert(field.into_owned(), value.into_owned()).is_some() {
            return Err(UNREADABLE);
        }
    }
    let field = |field: &str| fields.get(field).map(String::as_str);
    let call = field("CallSid").and_then(name).ok_or(UNREADABLE)?;
    let status = field("CallStatus").and_then(name).ok_or(UNREADABLE)?;
    let sequence = field("SequenceNumber").and_then(name).unwrap_or_default();
    let time = |field_name: &str| field(field_name).and_then(moment);
    let (started_at, ended_at) = (time("StartTime"), time("EndTime"));
    let told = field("CallDuration").and_then(|text| seconds(&Value::from(text)));
    let outcome = outcome(&status);
    Ok(CallEvent {
        id: format!("{call}:{status}:{sequence}"),
        kind: format!("texml.{status}"),
        direction: field("Direction").and_then(|direction| match direction {
            "inbound" | "incoming" => Some(CallDirection::Inbound),
            other => other.starts_with("out").then_some(CallDirection::Outbound),
        }),
        from: field("From").and_then(name),
        to: field("To").and_then(name),
        occurred_at: time("Timestamp"),
        started_at,
        ended_at: ended_at.or_else(|| time("Timestamp").filter(|_| outcome.is_some())),
        duration_seconds: told.or_else(|| started_at.zip(ended_at).and_then(|(from, to)| lasted(from, to))),
        outcome,
        recording_url: field("RecordingUrl").and_then(link),
        call: Some(call),
        ..CallEvent::default()
    })
}

/// What became of a call; `None` while it goes on.
fn outcome(status: &str) -> Option<CallOutcome> {
    Some(match status {
        "completed" => CallOutcome::Completed,
        "no-answer" => CallOutcome::NoAnswer,
        "busy" => CallOutcome::Busy,
        "canceled" => CallOutcome::Cancelled,
        "failed" => CallOutcome::Failed,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_call_is_read() {
        let form = "CallSid=v3%3AA&CallStatus=completed&SequenceNumber=3&From=%2B15555550111&To=%2B15555550122&CallDuration=42&\
                    CallbackSource=call-progress-events&Timestamp=Fri%2C%2002%20Jan%202026%2010%3A17%3A36%20%2B0000";
        let read = read(form.as_bytes()).expect("a form");
        assert_eq!((read.id.as_str(), read.kind.as_str()), ("v3:A:completed:3", "texml.completed"));
        assert_eq!((read.call.as_deref(), read.from.as_deref()), (Some("v3:A"), Some("+15555550111")));
        assert_eq!((read.duration_seconds, read.outcome), (Some(42), Some(CallOutcome::Completed)));
        assert!(read.ended_at.is_some());
    }

    #[test]
    fn what_is_no_form_of_a_call_is_refused() {
        for form in [
            "",
            "CallSid=1",
            "CallStatus=completed",
            "CallSid=&CallStatus=x",
            "CallSid=a&CallSid=b&CallStatus=x",
            "CallSid=a%00&CallStatus=x",
            "[]",
            "null",
        ] {
            assert!(read(form.as_bytes()).is_err(), "{form}");
        }
        assert!(read(&[0xff, b'=']).is_err());
        let going_on = read(b"CallSid=a&CallStatus=ringing").expect("a form");
        assert_eq!((going_on.outcome, going_on.ended_at), (None, None));
    }
}
