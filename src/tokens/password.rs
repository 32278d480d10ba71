//! Passwords by Argon2id (RFC 9106), off the async threads, a few at a time so that sign-ins can't eat the memory.
//! Must not know users.

use std::sync::Arc;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use crate::kernel::failure::Refusal;

/// Shortest password that may be set, in characters.
pub const MIN_LENGTH: usize = 10;
/// Longest password, in bytes; a bound on what a stranger can make us hash.
const MAX_BYTES: usize = 1024;

/// Hashes and checks passwords.
#[derive(Clone)]
pub struct Passwords {
    slots: Arc<Semaphore>,
    /// A hash that no password fits, so that an unknown address costs the same time as a known one.
    decoy: Arc<str>,
}

impl Passwords {
    /// `parallel` hashes may run at once; each takes about 19 MiB.
    ///
    /// # Errors
    /// When the decoy can't be hashed.
    pub fn new(parallel: usize) -> anyhow::Result<Self> {
        let nobody: [u8; 32] = super::random()?;
        Ok(Self { slots: Arc::new(Semaphore::new(parallel)), decoy: hash_now(&nobody)?.into() })
    }

    /// Checks that a new password is long enough.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` naming `field`.
    pub fn check_new(field: &'static str, password: &SecretString) -> Result<(), Refusal> {
        let text = password.expose_secret();
        if text.chars().count() < MIN_LENGTH || text.len() > MAX_BYTES {
            return Err(Refusal::input(
                field,
                format!("`{field}` must be {MIN_LENGTH} to {MAX_BYTES} characters long."),
            ));
        }
        Ok(())
    }

    /// The hash to store, in PHC string format.
    ///
    /// # Errors
    /// Faults only.
    pub async fn hash(&self, password: SecretString) -> anyhow::Result<String> {
        let slot = self.slots.clone().acquire_owned().await?;
        tokio::task::spawn_blocking(move || {
            let hashed = hash_now(password.expose_secret().as_bytes());
            drop(slot);
            hashed
        })
        .await?
    }

    /// Whether `password` fits `stored`. With nothing stored (an unknown address) it works just as long and says no.
    ///
    /// # Errors
    /// Faults only; a stored hash that can't be read counts as "no".
    pub async fn fits(&self, password: SecretString, stored: Option<String>) -> anyhow::Result<bool> {
        if password.expose_secret().len() > MAX_BYTES {
            return Ok(false);
        }
        let slot = self.slots.clone().acquire_owned().await?;
        let decoy = self.decoy.clone();
        tokio::task::spawn_blocking(move || {
            let against = stored.as_deref().unwrap_or(&decoy);
            let fits = PasswordHash::new(against).is_ok_and(|hash| {
                Argon2::default().verify_password(password.expose_secret().as_bytes(), &hash).is_ok()
            });
            drop(slot);
            Ok(fits && stored.is_some())
        })
        .await?
    }
}

fn hash_now(password: &[u8]) -> anyhow::Result<String> {
    Argon2::default()
        .hash_password(password)
        .map(|hash| hash.to_string())
        .map_err(|error| anyhow::anyhow!("hashing a password: {error}"))
}
