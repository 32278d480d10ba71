//! Twilio: SMS webhooks as forms (<https://www.twilio.com/docs/messaging/guides/webhook-request>). Must not know tenants, nor
//! keep anything.

mod signature;
mod texts;

use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::channels::delivery::{Event, Rejection, Verified};

use signature::Signed;

pub use signature::{Algorithm, Key, Signature};
pub use texts::{named, told};

/// As it stands in the database.
const PROVIDER: &str = "TWILIO";
/// Most fields of a form.
const FIELDS_MAX: usize = 200;
/// Longest id.
const NAME_MAX: usize = 100;

/// A post that anybody may have sent, read as far as is needed to tell whose secret it must be signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    event: Event,
    account: String,
    number: String,
    fields: Vec<(String, String)>,
    way: Way,
    body: Vec<u8>,
}

/// How a delivery comes: as it is configured at Twilio, and as its body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A POST of a form, as usual.
    Form,
    /// A GET, whose query is the form.
    Query,
    /// A POST of a JSON object, to an address that names the body's digest.
    Json,
}

impl Claim {
    /// Reads what was sent: a body, or the query of a GET.
    ///
    /// # Errors
    /// `Unreadable` for anything but a message or a receipt of Twilio's.
    pub fn read(way: Way, body: &[u8]) -> Result<Self, Rejection> {
        if std::str::from_utf8(body).is_err() {
            return Err(Rejection::Unreadable("The body is not a form in UTF-8."));
        }
        let fields = fields(way, body)?;
        if fields.len() > FIELDS_MAX {
            return Err(Rejection::Unreadable("The form has too many fields."));
        }
        let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let named = |name: &str| field(name).filter(|value| is_name(value));
        let (Some(message), Some(account)) = (named("MessageSid").or_else(|| named("SmsSid")), named("AccountSid"))
        else {
            return Err(Rejection::Unreadable("The form has no `MessageSid` or no `AccountSid`."));
        };
        // A receipt says how far what we sent has come; a message that came in is `received`.
        let status = named("MessageStatus").or_else(|| named("SmsStatus")).unwrap_or("received");
        let is_inbound = status == "received";
        let number = field(if is_inbound { "To" } else { "From" }).unwrap_or_default().to_owned();
        if number.contains('\0') {
            return Err(Rejection::Unreadable("The form names no number of ours."));
        }
        let from = field("From").filter(|from| is_inbound && !from.is_empty() && from.len() <= NAME_MAX);
        let from = from.map(str::to_owned);
        // An id is the account's own: nobody else's event can stand in its place.
        let event = Event { id: format!("{account}:{message}:{status}"), kind: format!("message.{status}"), from };
        Ok(Self { event, account: account.to_owned(), number, way, body: body.to_vec(), fields })
    }

    /// The number that should be ours.
    #[must_use]
    pub fn number(&self) -> &str {
        &self.number
    }

    /// The account that it says it is of.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Holds the signature against a key, and what was sent against the address that it was posted to: `url` is ours as the
    /// outside knows it, with its query.
    ///
    /// # Errors
    /// `Unsigned` when it does not hold.
    pub fn verify(self, signature: &Signature<'_>, key: &Key<'_>, url: &str) -> Result<Verified, Rejection> {
        let signed = match self.way {
            Way::Form => Signed::Fields(&self.fields),
            Way::Query => Signed::Address,
            Way::Json => Signed::Digest(&self.body),
        };
        signature.holds(key, url, &signed)?;
        // Kept in one form, whichever way it came.
        let body = match self.way {
            Way::Form | Way::Query => self.body,
            Way::Json => {
                form_urlencoded::Serializer::new(String::new()).extend_pairs(self.fields).finish().into_bytes()
            }
        };
        Ok(Verified::new(PROVIDER, self.event, body))
    }
}

fn fields(way: Way, body: &[u8]) -> Result<Vec<(String, String)>, Rejection> {
    if way != Way::Json {
        return Ok(form_urlencoded::parse(body).into_owned().take(FIELDS_MAX + 1).collect());
    }
    let object: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| Rejection::Unreadable("The body is not a JSON object."))?;
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(object.into_iter().take(FIELDS_MAX + 1).map(|(name, value)| (name, text(value))).collect())
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_MAX && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use proptest::prelude::*;
    use ring::{
        digest::{SHA256, digest},
        hmac,
    };

    use super::*;

    #[test]
    fn a_message_and_each_of_its_receipts_are_events_of_their_own() {
        let read = |body: &str| Claim::read(Way::Form, body.as_bytes()).expect("an event");
        let message = read("MessageSid=SM1&AccountSid=AC1&From=%2B1&To=%2B2&SmsStatus=received&Body=");
        assert_eq!((message.number(), message.account()), ("+2", "AC1"));
        assert_eq!((message.event.id.as_str(), message.event.kind.as_str()), ("AC1:SM1:received", "message.received"));
        let receipt = read("SmsSid=SM2&AccountSid=AC1&From=%2B2&To=%2B1&MessageStatus=delivered");
        assert_eq!((receipt.number(), receipt.event.id.as_str()), ("+2", "AC1:SM2:delivered"));
    }

    proptest! {
        #[test]
        fn no_body_breaks_it(body in proptest::collection::vec(any::<u8>(), 0..400)) {
            for way in [Way::Form, Way::Query, Way::Json] {
                let _ = Claim::read(way, &body);
            }
        }

        #[test]
        fn no_field_breaks_it(fields in proptest::collection::vec(
            ("(MessageSid|SmsSid|AccountSid|To|From|MessageStatus|[A-Za-z]{1,5})", "(SM[0-9a-f]{4}|\\+?[0-9]{0,12}|.{0,120}|\\x00)"), 0..12))
        {
            let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
            let object: Map<String, Value> = fields.into_iter().map(|(name, value)| (name, value.into())).collect();
            for (way, body) in [(Way::Form, form.clone()), (Way::Query, form), (Way::Json, Value::from(object).to_string())] {
                if let Ok(claim) = Claim::read(way, body.as_bytes()) {
                    prop_assert!(is_name(claim.account()) && !claim.number().contains('\0'), "{claim:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let many = "a=1&".repeat(201);
        let odd: [&[u8]; 7] = [
            b"",
            b"{}",
            b"MessageSid=SM1",
            b"AccountSid=AC1",
            b"MessageSid=&AccountSid=AC1",
            b"MessageSid=SM1%00&AccountSid=AC1",
            b"\xff=1",
        ];
        for body in odd.into_iter().chain([many.as_bytes()]) {
            assert!(matches!(Claim::read(Way::Form, body), Err(Rejection::Unreadable(_))), "{body:?}");
        }
        for body in ["", "[]", "{", "{}", r#"{"MessageSid":["SM1"],"AccountSid":"AC1"}"#] {
            assert!(matches!(Claim::read(Way::Json, body.as_bytes()), Err(Rejection::Unreadable(_))), "{body}");
        }
    }

    #[test]
    fn what_comes_as_json_is_kept_as_a_form() {
        let body = br#"{"MessageSid":"SM1","AccountSid":"AC1","From":"+1","To":"+2","Body":"Hi & bye","NumMedia":0}"#;
        let claim = Claim::read(Way::Json, body).expect("a message");
        let url = format!("https://chat.example.test/x?bodySHA256={}", hex::encode(digest(&SHA256, body)));
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"token");
        let signature = STANDARD.encode(hmac::sign(&key, url.as_bytes()));
        let signature = Signature { signature: Some(&signature), settings: None };
        let key = Key { algorithm: Algorithm::AuthToken, secret: "token" };
        let kept = claim.verify(&signature, &key, &url).expect("signed");
        assert!(String::from_utf8_lossy(kept.body()).contains("Body=Hi+%26+bye"), "{kept:?}");
        assert!(matches!(told(kept.body()), Ok(crate::channels::texting::Told::Message(_))));
    }
}
