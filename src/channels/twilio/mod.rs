//! Twilio: SMS webhooks as forms (<https://www.twilio.com/docs/messaging/guides/webhook-request>). Must not know tenants, nor
//! keep anything.

mod signature;
mod texts;

use crate::channels::delivery::{Event, Rejection, Verified};

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
    body: Vec<u8>,
}

impl Claim {
    /// Reads a form.
    ///
    /// # Errors
    /// `Unreadable` for anything but a message or a receipt of Twilio's.
    pub fn read(body: &[u8]) -> Result<Self, Rejection> {
        if std::str::from_utf8(body).is_err() {
            return Err(Rejection::Unreadable("The body is not a form in UTF-8."));
        }
        let fields: Vec<(String, String)> =
            url::form_urlencoded::parse(body).into_owned().take(FIELDS_MAX + 1).collect();
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
        let from = field("From").filter(|from| is_inbound && !from.is_empty() && from.len() <= NAME_MAX);
        let from = from.map(str::to_owned);
        // An id is the account's own: nobody else's event can stand in its place.
        let event = Event { id: format!("{account}:{message}:{status}"), kind: format!("message.{status}"), from };
        Ok(Self { event, account: account.to_owned(), number, body: body.to_vec(), fields })
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

    /// Holds the signature against a key, and the form against the address that it was posted to: `url` is ours as the
    /// outside knows it, with its query.
    ///
    /// # Errors
    /// `Unsigned` when it does not hold.
    pub fn verify(self, signature: &Signature<'_>, key: &Key<'_>, url: &str) -> Result<Verified, Rejection> {
        signature.holds(key, url, &self.fields)?;
        Ok(Verified::new(PROVIDER, self.event, self.body))
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_MAX && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_and_each_of_its_receipts_are_events_of_their_own() {
        let read = |body: &str| Claim::read(body.as_bytes()).expect("an event");
        let message = read("MessageSid=SM1&AccountSid=AC1&From=%2B1&To=%2B2&SmsStatus=received&Body=");
        assert_eq!((message.number(), message.account()), ("+2", "AC1"));
        assert_eq!((message.event.id.as_str(), message.event.kind.as_str()), ("AC1:SM1:received", "message.received"));
        let receipt = read("SmsSid=SM2&AccountSid=AC1&From=%2B2&To=%2B1&MessageStatus=delivered");
        assert_eq!((receipt.number(), receipt.event.id.as_str()), ("+2", "AC1:SM2:delivered"));
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
            assert!(matches!(Claim::read(body), Err(Rejection::Unreadable(_))), "{body:?}");
        }
    }
}
