//! What Telnyx says of the calls that its assistant holds: events in several shapes, the questions before a call begins, and
//! what the assistant asks of our tools. Each is first anybody's word, and can be acted on once its signature held. Must not
//! know tenants, nor keep anything.

mod event;
mod pieces;
mod texml;

use serde_json::{Map, Value};

use crate::channels::{
    delivery::{Event, Rejection, Verified},
    telnyx::{PROVIDER, Signature},
};

pub use event::{CallEvent, Line, Speaker};

/// A request that anybody may have sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim<T> {
    content: T,
    body: Vec<u8>,
}

/// A request whose signature held.
#[derive(Debug, Clone, PartialEq)]
pub struct Signed<T> {
    content: T,
    body: Vec<u8>,
}

/// What the assistant gives a tool of ours: flat, as the model and the assistant's settings say.
pub type Asked = Map<String, Value>;

impl Claim<CallEvent> {
    /// Reads an event: JSON in Telnyx's envelope or without it, or a form of TeXML's.
    ///
    /// # Errors
    /// `Unreadable` for anything else.
    pub fn event(body: &[u8]) -> Result<Self, Rejection> {
        let is_json = body.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| *byte == b'{');
        let content = if is_json { event::read(body)? } else { texml::read(body)? };
        if !is_of_call(&content.kind) {
            return Err(Rejection::Unreadable("This is not of a call. Messages go to /api/v1/telnyx/sms."));
        }
        Ok(Self { content, body: body.to_vec() })
    }
}

/// Whether a kept event is of a call.
#[must_use]
pub fn is_of_call(kind: &str) -> bool {
    let bare = ["assistant.initialization", "conversation_insight_result"];
    kind.starts_with("call.") || kind.starts_with("texml.") || bare.contains(&kind)
}

/// Reads a body that was kept, and so was signed.
///
/// # Errors
/// Why it can't be read.
pub fn told(body: &[u8]) -> Result<CallEvent, &'static str> {
    Claim::event(body).map(|claim| claim.content).map_err(|rejection| match rejection {
        Rejection::Unreadable(why) | Rejection::Unsigned(why) => why,
    })
}

impl Claim<Asked> {
    /// Reads what a tool is asked. Nothing at all is as good as an empty object.
    ///
    /// # Errors
    /// `Unreadable` for anything but an object.
    pub fn asked(body: &[u8]) -> Result<Self, Rejection> {
        let content = if body.is_empty() {
            Map::new()
        } else {
            serde_json::from_slice(body).map_err(|_| Rejection::Unreadable("The body must be a JSON object."))?
        };
        Ok(Self { content, body: body.to_vec() })
    }
}

impl<T> Claim<T> {
    /// What it claims: good for telling whose key it must be signed with, and for nothing else.
    pub fn content(&self) -> &T {
        &self.content
    }

    /// Whether the signature is that of a key's account.
    ///
    /// # Errors
    /// `Unsigned` when it does not hold, or is older, or further ahead, than five minutes from `now` in Unix seconds.
    pub fn holds(&self, signature: &Signature<'_>, key: &str, now: i64) -> Result<(), Rejection> {
        signature.holds(key, &self.body, now)
    }

    /// Holds the signature against a key.
    ///
    /// # Errors
    /// As [`Claim::holds`].
    pub fn verify(self, signature: &Signature<'_>, key: &str, now: i64) -> Result<Signed<T>, Rejection> {
        self.holds(signature, key, now)?;
        Ok(Signed { content: self.content, body: self.body })
    }
}

impl<T> Signed<T> {
    /// What it says.
    pub fn content(&self) -> &T {
        &self.content
    }
}

impl Signed<CallEvent> {
    /// The delivery, to be kept.
    #[must_use]
    pub fn into_delivery(self) -> Verified {
        // What is said of one call is worked on in its order.
        let from = self.content.call.or(self.content.conversation);
        let event = Event { id: self.content.id, kind: self.content.kind, from };
        Verified::new(PROVIDER, event, self.body)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_body_breaks_a_parser(body in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Claim::event(&body);
            let _ = Claim::asked(&body);
        }

        #[test]
        fn no_members_break_a_parser(kind in "[a-z._]{0,30}", payload in json(), is_bare: bool) {
            let event = serde_json::json!({ "id": "e", "event_type": kind, "record_type": "event", "payload": payload });
            let body = if is_bare { event } else { serde_json::json!({ "data": event }) };
            let read = Claim::event(body.to_string().as_bytes());
            if let Ok(claim) = read {
                let event = claim.content();
                prop_assert!(event.texts().all(|text| !text.contains('\0')), "{event:?}");
                prop_assert!(event.duration_seconds.is_none_or(|seconds| seconds >= 0));
            }
        }

        #[test]
        fn no_form_breaks_a_parser(fields in proptest::collection::vec(("(CallSid|CallStatus|From|CallDuration|Timestamp|[A-Z]{1,4})", ".{0,40}"), 0..12)) {
            let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
            if let Ok(claim) = Claim::event(body.as_bytes()) {
                prop_assert!(claim.content().texts().all(|text| !text.contains('\0')));
            }
        }
    }

    /// JSON with the members that are looked at, and whatever in them.
    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,20}".prop_map(Value::from),
            Just(Value::from("2026-01-02T10:17:36Z")),
            Just(Value::from("a\0b")),
        ];
        let names = prop_oneof![
            Just("messages"),
            Just("role"),
            Just("content"),
            Just("timestamp"),
            Just("metadata"),
            Just("results"),
            Just("result"),
            Just("insight_id"),
            Just("call_control_id"),
            Just("duration_sec"),
            Just("start_time"),
            Just("recordings"),
            Just("status"),
            Just("request_id"),
            Just("from"),
            Just("to"),
            Just("direction"),
        ];
        leaf.prop_recursive(4, 60, 8, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::vec((names.clone(), inner), 0..8).prop_map(|members| members
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect::<Map<_, _>>()
                    .into()),
            ]
        })
    }
}
