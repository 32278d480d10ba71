//! An account that stands in for one at Telnyx in development, where there is none: what it signs, a development server takes
//! for Telnyx's. Its key follows from `SECRET_KEY`, so that nothing more must be kept. Production never takes it.

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{
    hmac,
    signature::{Ed25519KeyPair, KeyPair},
};
use secrecy::{ExposeSecret, SecretString};

/// The account.
pub struct StandIn(Ed25519KeyPair);

impl StandIn {
    /// The account of the development server with this `SECRET_KEY`. `None` where no key can be made of it.
    #[must_use]
    pub fn of(secret_key: &SecretString) -> Option<Self> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret_key.expose_secret().as_bytes());
        let seed = hmac::sign(&key, b"a stand-in for an account at Telnyx, in development");
        Ed25519KeyPair::from_seed_unchecked(seed.as_ref()).ok().map(Self)
    }

    /// Its public key, in base64, as Telnyx's portal would show it.
    #[must_use]
    pub fn public_key(&self) -> String {
        STANDARD.encode(self.0.public_key().as_ref())
    }

    /// The headers of a delivery of `body` at `now`, in Unix seconds.
    #[must_use]
    pub fn headers(&self, body: &str, now: i64) -> [(&'static str, String); 2] {
        let signature = self.0.sign(format!("{now}|{body}").as_bytes());
        [("telnyx-signature-ed25519", STANDARD.encode(signature.as_ref())), ("telnyx-timestamp", now.to_string())]
    }
}
