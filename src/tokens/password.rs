//! Passwords by Argon2id (RFC 9106), off the async threads, a few at a time so that sign-ins can't eat the memory.
//! Must not know users.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use argon2::{
    Algorithm, Argon2, Params, RECOMMENDED_SALT_LEN, Version,
    password_hash::{
        PasswordHasher, PasswordVerifier,
        phc::{Output, PasswordHash, Salt},
    },
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use crate::kernel::{failure::Refusal, metrics::Metrics};

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
    /// How many were hashed.
    done: Arc<AtomicU64>,
}

impl Passwords {
    /// `parallel` hashes may run at once; each takes about 19 MiB.
    ///
    /// # Errors
    /// When there is no randomness for the decoy.
    pub fn new(parallel: usize) -> anyhow::Result<Self> {
        Ok(Self { slots: Arc::new(Semaphore::new(parallel)), decoy: decoy()?.into(), done: Arc::default() })
    }

    /// Counts them as of now for the operator's scraper: each is the dearest thing that a stranger can ask for.
    pub fn measure(&self, metrics: &Metrics) {
        let done = self.done.load(Ordering::Relaxed);
        metrics.record(|| {
            metrics::describe_counter!(
                "frontdesk_password_hashes_total",
                "Passwords that were hashed, to be kept or to be checked."
            );
            metrics::counter!("frontdesk_password_hashes_total").absolute(done);
        });
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
        let done = self.done.clone();
        tokio::task::spawn_blocking(move || {
            let hashed = hash_now(password.expose_secret().as_bytes());
            done.fetch_add(1, Ordering::Relaxed);
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
        let (decoy, done) = (self.decoy.clone(), self.done.clone());
        tokio::task::spawn_blocking(move || {
            let against = stored.as_deref().unwrap_or(&decoy);
            let fits = PasswordHash::new(against).is_ok_and(|hash| {
                let fits = Argon2::default().verify_password(password.expose_secret().as_bytes(), &hash).is_ok();
                done.fetch_add(1, Ordering::Relaxed);
                fits
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

/// A hash of nothing. It has the parameters of a new one, so that it takes as long to look at; to hash something for it would take 19 MiB
/// at each start.
fn decoy() -> anyhow::Result<String> {
    let (salt, output): ([u8; RECOMMENDED_SALT_LEN], [u8; Params::DEFAULT_OUTPUT_LEN]) =
        (super::random()?, super::random()?);
    let hash = PasswordHash {
        algorithm: Algorithm::default().ident(),
        version: Some(Version::default().into()),
        params: Params::default().try_into()?,
        salt: Some(Salt::new(&salt)?),
        hash: Some(Output::new(&output)?),
    };
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decoy_takes_as_long_to_look_at_as_any_hash() {
        let (decoy, real) = (decoy().expect("a decoy"), hash_now(b"whatever").expect("a hash"));
        let (decoy, real) = (PasswordHash::new(&decoy).expect("a hash"), PasswordHash::new(&real).expect("a hash"));
        assert_eq!((decoy.algorithm, decoy.version, &decoy.params), (real.algorithm, real.version, &real.params));
        assert_eq!(decoy.salt.map(|salt| salt.len()), real.salt.map(|salt| salt.len()));
        assert_eq!(decoy.hash.map(|hash| hash.len()), real.hash.map(|hash| hash.len()));
        // What is looked at is hashed: a string that can't be read would be turned down at once.
        let refused = Argon2::default().verify_password(b"whatever", &decoy);
        assert_eq!(refused, Err(argon2::password_hash::Error::PasswordInvalid));
    }
}
