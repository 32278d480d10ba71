//! Telnyx's webhook signature: Ed25519 over the timestamp's text, a bar, and the raw body. Must not read the body.

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::signature::{ED25519, UnparsedPublicKey};

use crate::channels::delivery::Rejection;

/// Seconds that a signature may be old, or ahead.
const TOLERANCE: u64 = 300;

/// The two headers as they came.
#[derive(Debug, Clone, Copy, Default)]
pub struct Signature<'a> {
    /// `telnyx-signature-ed25519`: base64.
    pub signature: Option<&'a str>,
    /// `telnyx-timestamp`: Unix seconds.
    pub timestamp: Option<&'a str>,
}

const WRONG: Rejection = Rejection::Unsigned("The signature does not hold.");

impl Signature<'_> {
    /// Whether it could be anybody's, made about `now` (Unix seconds): what can't be is refused before anything is looked up.
    ///
    /// # Errors
    /// `Unsigned` for what is missing, malformed, or older or further ahead than five minutes.
    pub fn could_hold(&self, now: i64) -> Result<(), Rejection> {
        self.parts(now).map(drop)
    }

    /// The timestamp's text and the signature's bytes.
    fn parts(&self, now: i64) -> Result<(&str, Vec<u8>), Rejection> {
        let (Some(signature), Some(timestamp)) = (self.signature, self.timestamp) else {
            return Err(Rejection::Unsigned(
                "The headers `telnyx-signature-ed25519` and `telnyx-timestamp` are needed.",
            ));
        };
        let is_number = !timestamp.is_empty() && timestamp.bytes().all(|byte| byte.is_ascii_digit());
        let made = timestamp.parse::<i64>().ok().filter(|_| is_number);
        if made.is_none_or(|made| made.abs_diff(now) > TOLERANCE) {
            return Err(Rejection::Unsigned("`telnyx-timestamp` is more than five minutes from now."));
        }
        Ok((timestamp, bytes(signature, 64).ok_or(WRONG)?))
    }

    /// Whether it is the signature of `body` by the account of `key` (base64), made about `now` (Unix seconds).
    pub(super) fn holds(&self, key: &str, body: &[u8], now: i64) -> Result<(), Rejection> {
        let (timestamp, signature) = self.parts(now)?;
        let key = bytes(key, 32).ok_or(WRONG)?;
        let signed = [timestamp.as_bytes(), b"|", body].concat();
        UnparsedPublicKey::new(&ED25519, key).verify(&signed, &signature).map_err(|_| WRONG)
    }
}

/// Whether a text can be an account's public key: base64 of 32 bytes.
#[must_use]
pub fn is_key(text: &str) -> bool {
    bytes(text, 32).is_some()
}

fn bytes(text: &str, length: usize) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok().filter(|bytes| bytes.len() == length)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_recorded_signature_is_judged_as_telnyx_judges_it() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../../tests/vectors/telnyx-ed25519.json")).expect("vectors");
        let cases = vectors["cases"].as_array().expect("cases");
        for case in cases {
            let header = |name: &str| {
                let headers = case["headers"].as_object().expect("headers");
                headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).and_then(|(_, value)| value.as_str())
            };
            let signature =
                Signature { signature: header("telnyx-signature-ed25519"), timestamp: header("telnyx-timestamp") };
            let body = case["body"].as_str().expect("a body");
            let key = case["public_key"].as_str().expect("a key");
            let is_held = signature.holds(key, body.as_bytes(), case["now"].as_i64().expect("a time")).is_ok();
            assert_eq!(is_held, case["expected"] == "valid", "{}", case["name"]);
        }
        assert_eq!(cases.len(), 27);
    }
}
