//! Refresh tokens: 256 random bits, known to us by their hash only. Must not know sessions.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};

/// A fresh token, and the hash to store for it.
///
/// # Errors
/// When the operating system has no randomness to give.
pub fn issue() -> anyhow::Result<(String, Vec<u8>)> {
    let token = URL_SAFE_NO_PAD.encode(super::random::<32>()?);
    let hash = hash(&token);
    Ok((token, hash))
}

/// The hash under which a token is stored. A plain digest is enough: the token itself is random.
#[must_use]
pub fn hash(token: &str) -> Vec<u8> {
    digest(&SHA256, token.as_bytes()).as_ref().to_vec()
}
