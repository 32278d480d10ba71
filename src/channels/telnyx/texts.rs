//! Telnyx's text messages: what its events say (<https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks>),
//! and how one is sent (`POST /v2/messages`). Must not keep anything.

use std::time::Duration;

use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;

use crate::{
    channels::{
        telnyx::{is_name, moment, number},
        texting::{Answer, Inbound, Keyword, Media, Outgoing, Receipt, Texting, Told, Unsent, ask, may_pass, plain},
    },
    kernel::{
        json::{at, text},
        vocabulary::TextStatus,
    },
};

/// What is wrong with whom it is for (10002, 10016, 40310, 40012).
const BAD_NUMBER: &[&str] = &["10002", "10016", "40310", "40012"];
/// They sent STOP.
const OPTED_OUT: &str = "40300";
/// A carrier takes no more today.
const NOT_TODAY: &str = "40016";
/// Before one asks again on such a day: tried so a dozen times, the night has passed.
const HOURLY: Duration = Duration::from_hours(1);
/// Too many (10011, 40011, 40318, 40018), or the carrier is down (40005, 40006, 40014).
const PASSING: &[&str] = &["10011", "40011", "40318", "40018", "40005", "40006", "40014"];

/// A text as Telnyx takes it.
#[derive(Serialize)]
struct Send<'a> {
    from: &'a str,
    to: &'a str,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    messaging_profile_id: Option<&'a str>,
}

/// What an event says; its signature has held.
///
/// # Errors
/// What is missing in it.
pub fn told(body: &[u8]) -> Result<Told, &'static str> {
    let event: Value = serde_json::from_slice(body).map_err(|_| "it is not JSON")?;
    let (kind, payload) = (text(&event, "/data/event_type").unwrap_or_default(), at(&event, "/data/payload"));
    match (kind, text(payload, "/direction")) {
        ("message.received", _) => Ok(Told::Message(message(payload)?)),
        ("message.sent" | "message.finalized" | "message.read", Some("outbound")) => {
            Ok(receipt(payload).map_or(Told::Nothing, Told::Receipt))
        }
        _ => Ok(Told::Nothing),
    }
}

fn message(payload: &Value) -> Result<Inbound, &'static str> {
    let from = number(at(payload, "/from")).ok_or("it does not say whom it is from")?;
    let said = ["/text", "/body/text", "/body/text/body"].iter().find_map(|path| text(payload, path));
    let said = said.unwrap_or_default();
    let media = at(payload, "/media").as_array().map(Vec::as_slice).unwrap_or_default();
    let named = text(payload, "/autoresponse_type");
    Ok(Inbound {
        id: text(payload, "/id").filter(|id| is_name(id)).map(str::to_owned),
        at: text(payload, "/received_at").and_then(moment),
        from,
        text: said.to_owned(),
        media: media.iter().filter_map(one_of_media).collect(),
        keyword: named.and_then(Keyword::of).or_else(|| Keyword::of(said)),
        is_answered: named.is_some(),
    })
}

fn one_of_media(media: &Value) -> Option<Media> {
    let content_type = text(media, "/content_type").unwrap_or("file");
    Some(Media { content_type: content_type.to_owned(), url: text(media, "/url")?.to_owned() })
}

/// A state that is on the way to another says nothing.
fn receipt(payload: &Value) -> Option<Receipt> {
    let status = match text(payload, "/to/0/status")? {
        "sent" | "delivery_unconfirmed" => TextStatus::Sent,
        "delivered" | "read" => TextStatus::Delivered,
        "sending_failed" | "delivery_failed" | "expired" => TextStatus::Failed,
        _ => return None,
    };
    let failure = (status == TextStatus::Failed).then(|| problem(payload).1);
    Some(Receipt { id: text(payload, "/id")?.to_owned(), status, failure })
}

/// The code and the sentence of the first of some errors.
fn problem(answer: &Value) -> (String, String) {
    let code = text(answer, "/errors/0/code").unwrap_or_default().to_owned();
    let title = plain(text(answer, "/errors/0/title").unwrap_or("no reason given"));
    let sentence = if code.is_empty() { title } else { format!("{title} (Telnyx {code})") };
    (code, sentence)
}

impl Texting {
    /// The same `Idempotency-Key` on each try: where Telnyx heeds it, a text whose answer was lost can be asked for again.
    pub(in crate::channels) async fn by_telnyx(
        &self,
        key: &SecretString,
        profile: Option<&str>,
        out: &Outgoing<'_>,
    ) -> Result<String, Unsent> {
        let body = Send { from: out.from, to: out.to, text: out.text, messaging_profile_id: profile };
        let request = self
            .http
            .post(format!("{}/messages", self.settings.telnyx))
            .bearer_auth(key.expose_secret())
            .header("idempotency-key", out.id.to_string())
            .json(&body);
        let answer = ask("Telnyx", request).await?;
        if answer.status.is_success() {
            let id = text(&answer.body, "/data/id").map(str::to_owned);
            return id.ok_or_else(|| Unsent::Lost("Telnyx answered without an id".to_owned()));
        }
        Err(refused(&answer))
    }
}

fn refused(answer: &Answer) -> Unsent {
    let (code, sentence) = problem(&answer.body);
    let said = format!("HTTP {}: {sentence}", answer.status.as_u16());
    match code.as_str() {
        OPTED_OUT => Unsent::OptedOut(said),
        NOT_TODAY => Unsent::Later(said, answer.pause.or(Some(HOURLY))),
        code if BAD_NUMBER.contains(&code) => Unsent::Never(said),
        code if PASSING.contains(&code) => Unsent::Later(said, answer.pause),
        // A gateway's word, or that of a server that broke over it: what became of the text, it does not say. Only one that is too
        // busy to take it says so.
        "" if answer.status.is_server_error() && answer.status != StatusCode::SERVICE_UNAVAILABLE => Unsent::Lost(said),
        _ if may_pass(answer.status) => Unsent::Later(said, answer.pause),
        _ => Unsent::Never(said),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn event(kind: &str, payload: &Value) -> Vec<u8> {
        json!({ "data": { "id": "e", "event_type": kind, "payload": payload } }).to_string().into_bytes()
    }

    #[test]
    fn a_message_is_read_in_each_shape_that_telnyx_has() {
        let sms = json!({ "id": "m", "from": { "phone_number": "+1" }, "text": "Hi", "media": [
            { "url": "https://media.example.test/1", "content_type": "image/jpeg", "size": 9 }, { "size": 7 }] });
        let Ok(Told::Message(read)) = told(&event("message.received", &sms)) else { panic!("a message") };
        assert_eq!((read.from.as_str(), read.text.as_str(), read.media.len(), read.keyword), ("+1", "Hi", 1, None));
        assert_eq!(read.id.as_deref(), Some("m"));
        for body in [json!({ "text": "Hi" }), json!({ "text": { "body": "Hi" } })] {
            let whatsapp = json!({ "from": "+1", "body": body });
            let Ok(Told::Message(read)) = told(&event("message.received", &whatsapp)) else { panic!("a message") };
            assert_eq!((read.text.as_str(), read.id), ("Hi", None));
        }
        for odd in [json!(""), json!(7), json!("m\u{0}")] {
            let named = json!({ "id": odd, "from": "+1", "text": "Hi" });
            let Ok(Told::Message(read)) = told(&event("message.received", &named)) else { panic!("a message") };
            assert_eq!(read.id, None, "{odd}");
        }
        let stop = json!({ "from": "+1", "text": "arret", "autoresponse_type": "STOP" });
        let Ok(Told::Message(read)) = told(&event("message.received", &stop)) else { panic!("a message") };
        assert_eq!((read.keyword, read.is_answered), (Some(Keyword::Stop), true));
        assert!(told(&event("message.received", &json!({ "text": "Hi" }))).is_err());
    }

    #[test]
    fn a_receipt_says_how_far_a_text_has_come() {
        let status = |word: &str| {
            let payload = json!({ "direction": "outbound", "id": "m", "to": [{ "status": word }],
                "errors": [{ "code": "40008", "title": "Undeliverable" }] });
            match told(&event("message.finalized", &payload)) {
                Ok(Told::Receipt(receipt)) => Some((receipt.status, receipt.failure)),
                _ => None,
            }
        };
        assert_eq!(status("delivered"), Some((TextStatus::Delivered, None)));
        assert_eq!(status("delivery_unconfirmed"), Some((TextStatus::Sent, None)));
        let failed = Some((TextStatus::Failed, Some("Undeliverable (Telnyx 40008)".to_owned())));
        assert_eq!(status("delivery_failed"), failed);
        assert_eq!(status("queued"), None);
        assert_eq!(told(&event("message.whatever", &json!({}))), Ok(Told::Nothing));
    }

    #[test]
    fn a_server_s_error_says_that_a_text_was_not_taken_where_it_has_a_code_or_is_too_busy() {
        let weigh = |status: u16, body: Value| {
            refused(&Answer { status: StatusCode::from_u16(status).expect("a status"), pause: None, body })
        };
        let error = |code: &str| json!({ "errors": [{ "code": code, "title": "No" }] });
        for status in [500, 502, 504] {
            assert!(matches!(weigh(status, Value::Null), Unsent::Lost(_)), "{status}");
            assert!(matches!(weigh(status, error("40006")), Unsent::Later(_, None)), "{status}");
            assert!(matches!(weigh(status, error("10007")), Unsent::Later(_, None)), "{status}");
        }
        assert!(matches!(weigh(503, Value::Null), Unsent::Later(_, None)));
        assert!(matches!(weigh(429, Value::Null), Unsent::Later(_, None)));
        assert!(matches!(weigh(422, Value::Null), Unsent::Never(_)));
        assert!(matches!(weigh(400, error("40300")), Unsent::OptedOut(_)));
    }

    proptest! {
        #[test]
        fn nothing_that_is_signed_breaks_it(body in proptest::collection::vec(any::<u8>(), 0..200), kind in "message\\.[a-z]{4,9}", direction in "inbound|outbound") {
            let _ = told(&body);
            let odd = String::from_utf8_lossy(&body).into_owned();
            for payload in [json!({ "direction": direction, "from": odd, "to": odd }), json!([odd]), json!({ "direction": direction, "to": [{ "status": odd }], "media": [odd], "text": 7 })] {
                let _ = told(&event(&kind, &payload));
            }
        }
    }
}
