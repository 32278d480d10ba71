//! Twilio's webhook signature: an HMAC over the public address and the form's fields
//! (<https://www.twilio.com/docs/usage/security>). Must not read what the fields mean.

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{digest, hmac};

use crate::channels::delivery::Rejection;

/// The headers as they came.
#[derive(Debug, Clone, Copy, Default)]
pub struct Signature<'a> {
    /// `X-Twilio-Signature`: base64.
    pub signature: Option<&'a str>,
    /// `X-Twilio-Webhooks-Signature-Settings`: the key and the algorithm of a shared key.
    pub settings: Option<&'a str>,
}

/// How a key signs. A key is of one algorithm: a header can't make it another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC-SHA1, by the account's auth token.
    AuthToken,
    /// HMAC-SHA256, by a shared key.
    SharedKey,
}

/// What signatures are held against.
pub struct Key<'a> {
    /// How it signs.
    pub algorithm: Algorithm,
    /// The secret's text.
    pub secret: &'a str,
}

/// What Twilio signs, beside the address.
pub(super) enum Signed<'a> {
    /// Of a form, its fields.
    Fields(&'a [(String, String)]),
    /// Of a GET, nothing: they stand in the address.
    Address,
    /// Of any other body, nothing: the address names its digest.
    Digest(&'a [u8]),
}

const WRONG: Rejection = Rejection::Unsigned("The signature does not hold.");

impl Signature<'_> {
    /// Whether it could be anybody's: what can't be is refused before anything is looked up.
    ///
    /// # Errors
    /// `Unsigned` for what is missing or malformed.
    pub fn could_hold(&self) -> Result<(), Rejection> {
        self.parts().map(drop)
    }

    /// How it is made, and its bytes.
    fn parts(&self) -> Result<(Algorithm, Vec<u8>), Rejection> {
        let Some(signature) = self.signature.filter(|text| !text.is_empty()) else {
            return Err(Rejection::Unsigned("The header `X-Twilio-Signature` is needed."));
        };
        let algorithm = self.algorithm().ok_or(Rejection::Unsigned("The signature's algorithm is unknown."))?;
        Ok((algorithm, STANDARD.decode(signature).map_err(|_| WRONG)?))
    }

    /// Whether it is the signature of what was sent to `url`, by the holder of `key`.
    pub(super) fn holds(&self, key: &Key<'_>, url: &str, signed: &Signed<'_>) -> Result<(), Rejection> {
        let (asked, signature) = self.parts()?;
        if asked != key.algorithm {
            return Err(WRONG);
        }
        let algorithm = match key.algorithm {
            Algorithm::AuthToken => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::SharedKey => hmac::HMAC_SHA256,
        };
        let key = hmac::Key::new(algorithm, key.secret.as_bytes());
        let fields = match signed {
            Signed::Fields(fields) => in_order(fields),
            Signed::Address => String::new(),
            Signed::Digest(body) if names_digest(url, body) => String::new(),
            Signed::Digest(_) => return Err(WRONG),
        };
        // Twilio's servers differ in whether they sign an address with its port.
        let is_held =
            addresses(url).iter().any(|url| hmac::verify(&key, (url.clone() + &fields).as_bytes(), &signature).is_ok());
        if is_held { Ok(()) } else { Err(WRONG) }
    }

    /// How it says that it was made; `None` for a way that nobody here knows.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        let named =
            self.settings.unwrap_or_default().split(',').find_map(|part| part.trim().strip_prefix("algorithm="));
        match named {
            None | Some("HMAC_SHA1") => Some(Algorithm::AuthToken),
            Some("HMAC_SHA256") => Some(Algorithm::SharedKey),
            Some(_) => None,
        }
    }
}

/// Whether an address names a body's SHA-256, as `bodySHA256`.
fn names_digest(url: &str, body: &[u8]) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let named = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "bodySHA256");
    let digest = hex::encode(digest::digest(&digest::SHA256, body));
    named.is_some_and(|(_, named)| named.eq_ignore_ascii_case(&digest))
}

/// Each distinct name and value, in the order of their bytes.
fn in_order(fields: &[(String, String)]) -> String {
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort();
    fields.dedup();
    fields.into_iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]).collect()
}

/// An address without its port and with it; text for text otherwise, since a parser would write it anew.
fn addresses(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else { return vec![url.to_owned()] };
    let (authority, path) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
    let default = if scheme == "http" { "80" } else { "443" };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
        _ => (authority, default),
    };
    vec![format!("{scheme}://{host}{path}"), format!("{scheme}://{host}:{port}{path}")]
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_recorded_signature_is_judged_as_twilio_judges_it() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../../tests/vectors/twilio-signature.json")).expect("vectors");
        let cases = vectors["cases"].as_array().expect("cases");
        for case in cases {
            let header = |name: &str| case["headers"][name].as_str();
            let signature = Signature {
                signature: header("X-Twilio-Signature"),
                settings: header("X-Twilio-Webhooks-Signature-Settings"),
            };
            let is_shared = signature.settings.is_some_and(|settings| settings.contains("HMAC_SHA256"));
            let algorithm = if is_shared { Algorithm::SharedKey } else { Algorithm::AuthToken };
            let key = Key { algorithm, secret: case["secret"].as_str().expect("a secret") };
            let body = case["body"].as_str().expect("a body");
            let fields: Vec<_> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
            let signed = match (case["method"].as_str(), header("Content-Type")) {
                (Some("GET"), _) => Signed::Address,
                (_, Some("application/json")) => Signed::Digest(body.as_bytes()),
                _ => Signed::Fields(&fields),
            };
            let is_held = signature.holds(&key, case["url"].as_str().expect("a URL"), &signed).is_ok();
            assert_eq!(is_held, case["expected"] == "valid", "{}", case["name"]);
        }
        assert_eq!(cases.len(), 31);
    }

    #[test]
    fn a_header_does_not_choose_the_algorithm_of_a_key() {
        let fields = [("Body".to_owned(), "Hi".to_owned())];
        let url = "https://chat.example.test/x";
        let sha256 = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"token"), format!("{url}BodyHi").as_bytes());
        let signature = STANDARD.encode(sha256);
        let asked = Signature { signature: Some(&signature), settings: Some("key=k,algorithm=HMAC_SHA256") };
        let held = |algorithm| asked.holds(&Key { algorithm, secret: "token" }, url, &Signed::Fields(&fields)).is_ok();
        assert!(held(Algorithm::SharedKey) && !held(Algorithm::AuthToken));
    }
}
