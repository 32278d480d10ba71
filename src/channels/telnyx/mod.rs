//! Telnyx: SMS webhooks in its envelope (<https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks>). Must
//! not know tenants, nor keep anything.

pub mod calls;
mod signature;
mod stand_in;
mod texts;

use chrono::{DateTime, Datelike, Utc};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    channels::delivery::{Event, Rejection, Verified},
    kernel::json,
};

pub use signature::{Signature, is_key};
pub use stand_in::StandIn;
pub use texts::told;

/// As it stands in the database.
const PROVIDER: &str = "TELNYX";
/// Longest id, and kind, of an event.
const NAME_MAX: usize = 200;
/// Of a group message, so many recipients are looked at.
const RECIPIENTS_MAX: usize = 16;

/// A post that anybody may have sent, read as far as is needed to tell whose key it must be signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    event: Event,
    numbers: Vec<String>,
    body: Vec<u8>,
}

#[derive(Deserialize)]
struct Envelope {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    id: String,
    event_type: String,
    #[serde(default)]
    payload: Value,
}

/// A moment, in either of the spellings that Telnyx uses.
fn moment(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let read = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_rfc2822(text)).ok()?;
    Some(read.with_timezone(&Utc)).filter(|at| (1970..=9999).contains(&at.year()))
}

impl Claim {
    /// Reads a body.
    ///
    /// # Errors
    /// `Unreadable` for anything but Telnyx's envelope.
    pub fn read(body: &[u8]) -> Result<Self, Rejection> {
        let Envelope { data } = serde_json::from_slice(body).map_err(|_| {
            Rejection::Unreadable("The body is not a Telnyx event: JSON with `data.id` and `data.event_type`.")
        })?;
        if !is_name(&data.id) || !is_name(&data.event_type) {
            return Err(Rejection::Unreadable("`data.id` and `data.event_type` must be short texts."));
        }
        if calls::is_of_call(&data.event_type) {
            return Err(Rejection::Unreadable("This is of a call. Calls go to /api/v1/telnyx/ai-call-complete."));
        }
        let numbers = numbers(&data.payload);
        // Receipts come in any order, and none waits for another: they have no lane.
        let is_inbound = json::text(&data.payload, "/direction") != Some("outbound");
        let from = number(json::at(&data.payload, "/from")).filter(|_| is_inbound);
        let event = Event { id: data.id, kind: data.event_type, from };
        Ok(Self { event, numbers, body: body.to_vec() })
    }

    /// Numbers of which one should be ours: who was written to, and of a receipt, who wrote.
    #[must_use]
    pub fn numbers(&self) -> &[String] {
        &self.numbers
    }

    /// Holds the signature against a key.
    ///
    /// # Errors
    /// `Unsigned` when it does not hold, or is older, or further ahead, than five minutes from `now` in Unix seconds.
    pub fn verify(self, signature: &Signature<'_>, key: &str, now: i64) -> Result<Verified, Rejection> {
        signature.holds(key, &self.body, now)?;
        Ok(Verified::new(PROVIDER, self.event, self.body))
    }
}

/// PostgreSQL keeps no NUL, and nobody's number has one.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_MAX && !text.contains('\0')
}

fn number(who: &Value) -> Option<String> {
    who.get("phone_number").unwrap_or(who).as_str().filter(|number| is_name(number)).map(str::to_owned)
}

/// Of what came in, who it was sent to; of what we sent, who sent it.
fn numbers(payload: &Value) -> Vec<String> {
    if json::text(payload, "/direction") == Some("outbound") {
        return number(json::at(payload, "/from")).into_iter().collect();
    }
    let several = |who: &Value| match who {
        Value::Array(all) => all.iter().take(RECIPIENTS_MAX).filter_map(number).collect(),
        one => number(one).into_iter().collect::<Vec<_>>(),
    };
    [several(json::at(payload, "/to")), several(json::at(payload, "/cc"))].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn claimed(payload: &str) -> Vec<String> {
        let body = format!(r#"{{"data":{{"id":"e","event_type":"message.received","payload":{payload}}}}}"#);
        Claim::read(body.as_bytes()).expect("an event").numbers
    }

    #[test]
    fn the_number_that_should_be_ours_is_found_in_every_form() {
        let inbound = r#"{"direction":"inbound","from":{"phone_number":"+1"},"to":[{"phone_number":"+2"}],"cc":[{"phone_number":"+3"}]}"#;
        assert_eq!(claimed(inbound), ["+2", "+3"]);
        assert_eq!(
            claimed(r#"{"direction":"outbound","from":{"phone_number":"+1"},"to":[{"phone_number":"+2"}]}"#),
            ["+1"]
        );
        assert_eq!(claimed(r#"{"direction":"inbound","to":"+2"}"#), ["+2"]);
        assert!(claimed(r#"{"direction":"inbound","to":"+2\u0000"}"#).is_empty());
        for odd in ["null", "[]", "7", r#"{"to":{"phone_number":7},"cc":"+4"}"#, r#"{"to":[null,[],"+4"]}"#] {
            assert!(claimed(odd).iter().all(|number| number == "+4"), "{odd}");
        }
    }

    proptest! {
        #[test]
        fn no_body_breaks_it(body in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Claim::read(&body);
        }

        #[test]
        fn whatever_stands_where_numbers_should_none_has_a_nul(
            id in ".{0,210}",
            direction in "(inbound|outbound|.{0,9})",
            who in proptest::collection::vec("(\\+?[0-9]{0,18}|.{0,30}|\\x00)", 0..20),
        ) {
            let several: Vec<_> = who.iter().map(|number| json!({ "phone_number": number })).collect();
            for to in [json!(who), json!(several), json!(who.first())] {
                let payload = json!({ "direction": direction, "from": to, "to": to, "cc": several });
                let event = json!({ "data": { "id": id, "event_type": "message.received", "payload": payload } });
                if let Ok(claim) = Claim::read(event.to_string().as_bytes()) {
                    prop_assert!(claim.numbers().iter().all(|number| is_name(number)), "{claim:?}");
                    prop_assert!(claim.event.from.as_ref().is_none_or(|from| is_name(from)) && is_name(&claim.event.id));
                }
            }
        }
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for body in ["", "null", "[]", "{", r#"{"data":{}}"#, r#"{"data":{"id":7,"event_type":"x"}}"#, "\u{feff}{}"] {
            assert!(matches!(Claim::read(body.as_bytes()), Err(Rejection::Unreadable(_))), "{body}");
        }
        let long = format!(r#"{{"data":{{"id":"{}","event_type":"x"}}}}"#, "i".repeat(201));
        assert!(matches!(Claim::read(long.as_bytes()), Err(Rejection::Unreadable(_))));
        assert!(matches!(
            Claim::read(br#"{"data":{"id":"a\u0000b","event_type":"x"}}"#),
            Err(Rejection::Unreadable(_))
        ));
        assert!(matches!(Claim::read(b"{\"data\":{\"id\":\"\xff\"}}"), Err(Rejection::Unreadable(_))));
        let call = br#"{"data":{"id":"e","event_type":"call.hangup","payload":{"to":"+2"}}}"#;
        assert!(matches!(Claim::read(call), Err(Rejection::Unreadable(_))), "calls have an address of their own");
    }
}
