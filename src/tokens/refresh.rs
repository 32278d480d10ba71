//! Refresh tokens: the session's id, 256 random bits, and a mark that only we can make. The server knows the bits by their
//! hash only. The mark tells a token of ours that was spent, whenever that was, from one that was made up: only the
//! first may end a session. Must not know sessions' rows.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

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
pub struct RefreshKeys {
    marks: hmac::Key,
    /// What is good: its marks, and those of the keys before it.
    keys: Vec<hmac::Key>,
    /// Sessions that are being refreshed: by how many, and whether they were ever several of them.
    busy: Mutex<HashMap<Uuid, (usize, Arc<AtomicBool>)>>,
}

/// Somebody refreshes a session, until this is dropped.
pub struct Refreshing<'a> {
    keys: &'a RefreshKeys,
    session: Uuid,
    are_several: Arc<AtomicBool>,
}

/// A refresh token of ours, spent or not.
pub struct Presented {
    /// The session that it was made for.
    pub session: Uuid,
    /// The hash under which it is stored, while it is good.
    pub hash: Vec<u8>,
}

impl RefreshKeys {
    /// A key of its own, from the shared secret (`JWT_SECRET_KEY`); what was marked under those before it
    /// (`JWT_SECRET_KEYS_PREVIOUS`) is good too.
    #[must_use]
    pub fn new(secret: &SecretString, previous: &[SecretString]) -> Self {
        let key = |secret: &SecretString| {
            let key = super::hmac_sha256(secret.expose_secret().as_bytes(), b"frontdesk refresh tokens");
            hmac::Key::new(hmac::HMAC_SHA256, &key)
        };
        let keys = std::iter::once(secret).chain(previous).map(key).collect();
        Self { keys, marks: key(secret), busy: Mutex::default() }
    }

    /// Notes that somebody refreshes a session.
    pub fn begin(&self, session: Uuid) -> Refreshing<'_> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, are_several) = busy.entry(session).or_default();
        *count += 1;
        if *count > 1 {
            are_several.store(true, Ordering::Relaxed);
        }
        Refreshing { keys: self, session, are_several: are_several.clone() }
    }

    /// A fresh token for a session, and the hash to store for it.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn issue(&self, session: Uuid) -> anyhow::Result<(String, Vec<u8>)> {
        let mut bytes = session.as_bytes().to_vec();
        bytes.extend(super::random::<SECRET>()?);
        let mark = hmac::sign(&self.marks, &bytes);
        bytes.extend(mark.as_ref());
        Ok((URL_SAFE_NO_PAD.encode(&bytes), hashed(&bytes)))
    }

    /// Reads a token; nothing for what we did not make.
    #[must_use]
    pub fn read(&self, token: &str) -> Option<Presented> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (signed, mark) = bytes.split_at_checked(ID + SECRET)?;
        if !self.keys.iter().any(|key| hmac::verify(key, signed, mark).is_ok()) {
            return None;
        }
        let session = Uuid::from_slice(signed.get(..ID)?).ok()?;
        Some(Presented { session, hash: hashed(&bytes) })
    }
}

impl Refreshing<'_> {
    /// Whether somebody else did so at the same time.
    #[must_use]
    pub fn are_several(&self) -> bool {
        self.are_several.load(Ordering::Relaxed)
    }
}

impl Drop for Refreshing<'_> {
    fn drop(&mut self) {
        let mut busy = self.keys.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((count, _)) = busy.get_mut(&self.session) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                busy.remove(&self.session);
            }
        }
    }
}

/// A plain digest is enough: the token itself is random.
fn hashed(token: &[u8]) -> Vec<u8> {
    digest(&SHA256, token).as_ref().to_vec()
}
