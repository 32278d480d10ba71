//! Twilio's text messages: what its forms say (<https://www.twilio.com/docs/messaging/guides/webhook-request>), and how one is
//! sent (`POST /2010-04-01/Accounts/{sid}/Messages.json`). Must not keep anything.

use std::collections::HashMap;

use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::{
    channels::texting::{
        Answer, Inbound, Keyword, Media, Outgoing, Receipt, Texting, Told, Unsent, ask, may_pass, plain,
    },
    kernel::{json, vocabulary::TextStatus},
};

/// Most media of a message.
const MEDIA_MAX: usize = 10;
/// They sent STOP.
const OPTED_OUT: i64 = 21_610;
/// Too many at once.
const TOO_MANY: i64 = 20_429;

/// What a form says; its signature has held.
///
/// # Errors
/// What is missing in it.
pub fn told(body: &[u8]) -> Result<Told, &'static str> {
    let fields: HashMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
    let field = |name: &str| fields.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let status = field("MessageStatus").or_else(|| field("SmsStatus")).unwrap_or("received");
    if status != "received" {
        let id = field("MessageSid").or_else(|| field("SmsSid")).ok_or("it does not say of which text it is")?;
        let failure = || match field("ErrorCode") {
            Some(code) => format!("{status} (Twilio {code})"),
            None => status.to_owned(),
        };
        let Some(status) = reached(status) else { return Ok(Told::Nothing) };
        let failure = (status == TextStatus::Failed).then(failure);
        return Ok(Told::Receipt(Receipt { id: id.to_owned(), status, failure }));
    }
    let text = field("Body").unwrap_or_default();
    let count = field("NumMedia").and_then(|count| count.parse::<usize>().ok()).unwrap_or(0).min(MEDIA_MAX);
    let media = |n: usize| {
        let content_type = field(&format!("MediaContentType{n}")).unwrap_or("file").to_owned();
        Some(Media { content_type, url: field(&format!("MediaUrl{n}"))?.to_owned() })
    };
    let named = field("OptOutType").and_then(Keyword::of);
    let keyword = named.or_else(|| Keyword::of(text));
    Ok(Told::Message(Inbound {
        // Its events are named after their messages.
        id: None,
        at: None,
        from: field("From").ok_or("it does not say whom it is from")?.to_owned(),
        text: text.to_owned(),
        media: (0..count).filter_map(media).collect(),
        keyword,
        // Twilio answers these words itself, with Advanced Opt-Out and without.
        is_answered: keyword.is_some(),
    }))
}

/// A state that is on the way to another says nothing.
fn reached(status: &str) -> Option<TextStatus> {
    match status {
        "sent" => Some(TextStatus::Sent),
        "delivered" | "read" | "partially_delivered" => Some(TextStatus::Delivered),
        "undelivered" | "failed" | "canceled" => Some(TextStatus::Failed),
        _ => None,
    }
}

impl Texting {
    /// Twilio knows no idempotency: a text whose answer was lost is not asked for again. Its receipts come back to an address
    /// that names it.
    pub(in crate::channels) async fn by_twilio(
        &self,
        sid: &str,
        token: &SecretString,
        text: &Outgoing<'_>,
    ) -> Result<String, Unsent> {
        let callback = receipts_of(&self.settings.public_url, text.id);
        let form = [("To", text.to), ("From", text.from), ("Body", text.text), ("StatusCallback", &callback)];
        let request = self
            .http
            .post(format!("{}/2010-04-01/Accounts/{sid}/Messages.json", self.settings.twilio))
            .basic_auth(sid, Some(token.expose_secret()))
            .header("accept", "application/json")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish());
        let answer = ask("Twilio", request).await?;
        if answer.status.is_success() {
            let id = json::text(&answer.body, "/sid").map(str::to_owned);
            return id.ok_or_else(|| Unsent::Lost("Twilio answered without an id".to_owned()));
        }
        Err(refused(&answer))
    }
}

/// Where the receipts of one text are sent.
fn receipts_of(public_url: &str, text: Uuid) -> String {
    format!("{public_url}/api/v1/twilio/sms?text={text}")
}

/// An error as Twilio's older services and its newer ones (RFC 9457) have it.
fn refused(answer: &Answer) -> Unsent {
    let body = &answer.body;
    let code = json::at(body, "/code").as_i64();
    let title = ["/message", "/detail", "/title"].iter().find_map(|path| json::text(body, path));
    let title = plain(title.unwrap_or("no reason given"));
    let named = code.map_or_else(String::new, |code| format!(" (Twilio {code})"));
    let said = format!("HTTP {}: {title}{named}", answer.status.as_u16());
    match code {
        Some(OPTED_OUT) => Unsent::OptedOut(said),
        Some(TOO_MANY) => Unsent::Later(said, answer.pause),
        // A gateway's word: what became of the request behind it, it does not know.
        None if matches!(answer.status.as_u16(), 502 | 504) => Unsent::Lost(said),
        _ if may_pass(answer.status) => Unsent::Later(said, answer.pause),
        _ => Unsent::Never(said),
    }
}

/// The text that the address of a receipt names.
#[must_use]
pub fn named(query: &str) -> Option<Uuid> {
    url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "text")?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::StatusCode;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_message_a_word_and_a_receipt_are_told_apart() {
        let body = b"MessageSid=SM1&AccountSid=AC1&From=%2B1&To=%2B2&Body=Any+room%3F&NumMedia=1&MediaUrl0=https%3A%2F%2Fm.example.test%2F1&MediaContentType0=image%2Fjpeg";
        let Ok(Told::Message(read)) = told(body) else { panic!("a message") };
        assert_eq!((read.from.as_str(), read.text.as_str(), read.media.len()), ("+1", "Any room?", 1));
        let Ok(Told::Message(read)) = told(b"From=%2B1&Body=fin&OptOutType=STOP") else { panic!("a message") };
        assert_eq!((read.keyword, read.is_answered), (Some(Keyword::Stop), true));
        let Ok(Told::Receipt(read)) = told(b"MessageSid=SM1&MessageStatus=undelivered&ErrorCode=30003") else {
            panic!("a receipt")
        };
        assert_eq!((read.status, read.failure.as_deref()), (TextStatus::Failed, Some("undelivered (Twilio 30003)")));
        assert_eq!(told(b"MessageSid=SM1&MessageStatus=queued"), Ok(Told::Nothing));
        assert!(told(b"Body=Hi").is_err());
    }

    #[test]
    fn errors_of_both_shapes_are_weighed() {
        let weigh = |status: u16, body: Value| {
            refused(&Answer { status: StatusCode::from_u16(status).expect("a status"), pause: None, body })
        };
        assert_eq!(
            weigh(400, json!({ "code": 21211, "message": "The 'To' number is not valid", "status": 400 })),
            Unsent::Never("HTTP 400: The 'To' number is not valid (Twilio 21211)".into())
        );
        assert!(matches!(weigh(400, json!({ "code": 21610, "message": "unsubscribed" })), Unsent::OptedOut(_)));
        assert!(matches!(weigh(429, json!({ "title": "Too many", "code": 20429 })), Unsent::Later(_, None)));
        assert!(matches!(weigh(503, Value::Null), Unsent::Later(_, None)));
        assert!(matches!(weigh(504, Value::Null), Unsent::Lost(_)));
        assert!(matches!(weigh(502, json!({ "code": 20500 })), Unsent::Later(_, None)));
        assert!(matches!(weigh(401, json!({ "code": 20003 })), Unsent::Never(_)));
    }

    proptest! {
        #[test]
        fn nothing_that_is_signed_breaks_it(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = told(&body);
            let _ = named(&String::from_utf8_lossy(&body));
        }
    }
}
