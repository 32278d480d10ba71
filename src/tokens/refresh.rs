//! Refresh tokens: the session's id, 256 random bits, and a mark that only we can make. The server knows the bits by their
//! hash only. The mark tells a token of ours that was spent, whenever that was, from one that was made up: only the
//! first may end a session. Must not know sessions' rows.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest::{SHA256, digest},
    hmac,
};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

const ID: usize = 16;
const SECRET: usize = 32;

/// Makes and reads refresh tokens.
pub struct RefreshKeys(hmac::Key);

/// A refresh token of ours, spent or not.
pub struct Presented {
    /// The session that it was made for.
    pub session: Uuid,
    /// The hash under which it is stored, while it is good.
    pub hash: Vec<u8>,
}

impl RefreshKeys {
    /// A key of its own, from the shared secret (`JWT_SECRET_KEY`).
    #[must_use]
    pub fn new(secret: &SecretString) -> Self {
        let key = super::hmac_sha256(secret.expose_secret().as_bytes(), b"frontdesk refresh tokens");
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    /// A fresh token for a session, and the hash to store for it.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn issue(&self, session: Uuid) -> anyhow::Result<(String, Vec<u8>)> {
        let mut bytes = session.as_bytes().to_vec();
        bytes.extend(super::random::<SECRET>()?);
        let mark = hmac::sign(&self.0, &bytes);
        bytes.extend(mark.as_ref());
        Ok((URL_SAFE_NO_PAD.encode(&bytes), hashed(&bytes)))
    }

    /// Reads a token; nothing for what we did not make.
    #[must_use]
    pub fn read(&self, token: &str) -> Option<Presented> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (signed, mark) = bytes.split_at_checked(ID + SECRET)?;
        hmac::verify(&self.0, signed, mark).ok()?;
        let session = Uuid::from_slice(signed.get(..ID)?).ok()?;
        Some(Presented { session, hash: hashed(&bytes) })
    }
}

/// A plain digest is enough: the token itself is random.
fn hashed(token: &[u8]) -> Vec<u8> {
    digest(&SHA256, token).as_ref().to_vec()
}
