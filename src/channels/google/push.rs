//! What Cloud Pub/Sub pushes of a mailbox: that something happened in it, not what. Must not know whose mailbox it is.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    channels::delivery::{Event, Verified},
    kernel::email,
};

/// As it stands in the database.
pub const PROVIDER: &str = "GMAIL";
/// Longest id.
const ID_MAX: usize = 100;
/// Both alphabets, with padding or without: Pub/Sub and its stand-ins differ.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// That something happened in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Whose, in lower case.
    pub address: String,
    /// How far its history has come.
    pub history_id: u64,
    /// Pub/Sub's name of the notice: the same on every try.
    pub id: String,
}

#[derive(Deserialize)]
struct Envelope {
    message: Pushed,
}

#[derive(Deserialize)]
struct Pushed {
    data: String,
    #[serde(rename = "messageId")]
    id: Option<String>,
    message_id: Option<String>,
}

#[derive(Deserialize)]
struct Told {
    #[serde(rename = "emailAddress")]
    address: String,
    #[serde(rename = "historyId")]
    history_id: Value,
}

impl Notice {
    /// Reads a push. `None` for anything else: it will not get better by being sent again.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        let pushed = serde_json::from_slice::<Envelope>(body).ok()?.message;
        let id = pushed.id.or(pushed.message_id)?;
        Self::told(&decode(&pushed.data)?, id)
    }

    /// Reads what is inside of a push, as Gmail says it.
    #[must_use]
    pub fn told(data: &[u8], id: String) -> Option<Self> {
        let told: Told = serde_json::from_slice(data).ok()?;
        let address = email::normalise("emailAddress", &told.address).ok()?;
        let history_id = number(&told.history_id)?;
        let is_name = !id.is_empty() && id.len() <= ID_MAX && id.bytes().all(|byte| byte.is_ascii_graphic());
        is_name.then_some(Self { address, history_id, id })
    }

    /// The notice as a delivery to be kept with its body, once it is known who pushed it.
    #[must_use]
    pub fn into_delivery(self, body: &[u8]) -> Verified {
        Verified::new(
            PROVIDER,
            Event { id: self.id, kind: "history".into(), from: Some("mailbox".into()) },
            body.to_vec(),
        )
    }
}

/// 64 bits without a sign, as a number or as its digits; never by way of a float.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Base64 in either alphabet, padded or not.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let is_url_safe = text.contains(['-', '_']);
    let alphabet = if is_url_safe { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    GeneralPurpose::new(alphabet, LENIENT).decode(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_recorded_push_is_read_as_the_vectors_say() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../../tests/vectors/gmail-pubsub-envelope.json")).expect("vectors");
        let cases = vectors["cases"].as_array().expect("cases");
        assert_eq!(cases.len(), 12);
        for case in cases {
            let read = Notice::read(case["body"].as_str().expect("a body").as_bytes());
            let expected = &case["expected"];
            if expected["error"] == true {
                assert_eq!(read, None, "{}", case["name"]);
                continue;
            }
            let read = read.unwrap_or_else(|| panic!("{}", case["name"]));
            assert_eq!(read.address, expected["email"], "{}", case["name"]);
            assert_eq!(read.history_id.to_string(), expected["history_id"], "{}", case["name"]);
            assert_eq!(read.id, expected["message_id"], "{}", case["name"]);
        }
    }

    #[test]
    fn a_history_id_keeps_all_its_digits() {
        let told = |id: &str| {
            let data = format!(r#"{{"emailAddress":"A@b.test","historyId":{id}}}"#);
            Notice::told(data.as_bytes(), "1".into()).map(|notice| notice.history_id)
        };
        assert_eq!(told("18446744073709551615"), Some(u64::MAX));
        assert_eq!(told(r#""18446744073709551615""#), Some(u64::MAX));
        for none in ["-1", "1.5", "1e3", "18446744073709551616", "null", r#""12a""#, "[]"] {
            assert_eq!(told(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_it_stumble(body in prop::collection::vec(any::<u8>(), 0..300), data in ".{0,80}", id in ".{0,20}") {
            let _ = Notice::read(&body);
            let _ = Notice::told(data.as_bytes(), id);
            let wrapped = serde_json::json!({ "message": { "data": data, "messageId": "1" } }).to_string();
            let _ = Notice::read(wrapped.as_bytes());
        }
    }
}
