//! A Redis that may be away. Must not keep anybody waiting for it: who asks while it is away is told so at once, and a moment
//! later one of them looks whether it is back.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use redis::{AsyncConnectionConfig, FromRedisValue, RedisError, RedisResult, aio::MultiplexedConnection};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

/// How long it may take to answer.
const ANSWER: Duration = Duration::from_millis(250);
/// How long it is left alone after it did not.
const REST: Duration = Duration::from_secs(1);

/// The way to a Redis that nodes share.
pub struct Redis {
    client: redis::Client,
    link: Mutex<Option<MultiplexedConnection>>,
    /// Held by whoever connects.
    absence: tokio::sync::Mutex<Absence>,
    is_away: AtomicBool,
    /// What does not work while it is away, for the log.
    without: &'static str,
}

#[derive(Default)]
struct Absence {
    /// Before which nobody tries again.
    until: Option<Instant>,
    is_told: bool,
}

impl Redis {
    /// Connects when it is first asked. `without` is logged when it is away.
    ///
    /// # Errors
    /// For a URL that can't be read. A Redis that can't be reached is no error.
    pub fn new(url: &SecretString, without: &'static str) -> anyhow::Result<Self> {
        Ok(Self {
            // The error would hold the URL, and with it the password.
            client: redis::Client::open(url.expose_secret()).ok().context("REDIS_URL can't be read")?,
            link: Mutex::default(),
            absence: tokio::sync::Mutex::default(),
            is_away: AtomicBool::new(false),
            without,
        })
    }

    /// Asks something. `None` when it is away.
    pub async fn ask<T: FromRedisValue>(
        &self,
        call: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Option<T> {
        let mut link = self.link().await?;
        match call(&mut link).await {
            Ok(answer) => Some(answer),
            Err(error) => {
                *self.link.lock().unwrap_or_else(PoisonError::into_inner) = None;
                self.is_away.store(true, Ordering::Relaxed);
                self.absence.lock().await.begin(&error, self.without);
                None
            }
        }
    }

    async fn link(&self) -> Option<MultiplexedConnection> {
        if let Some(link) = self.standing() {
            return Some(link);
        }
        let mut absence = match self.absence.try_lock() {
            Ok(absence) => absence,
            // Somebody looks already. At the start they are waited for; later the answer is no.
            Err(_) if self.is_away.load(Ordering::Relaxed) => return None,
            Err(_) => self.absence.lock().await,
        };
        if let Some(link) = self.standing() {
            return Some(link);
        }
        if absence.until.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(ANSWER)).set_response_timeout(Some(ANSWER));
        match self.client.get_multiplexed_async_connection_with_config(&config).await {
            Ok(link) => {
                if std::mem::take(&mut *absence).is_told {
                    tracing::info!("Redis is back");
                }
                *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Some(link.clone());
                self.is_away.store(false, Ordering::Relaxed);
                Some(link)
            }
            Err(error) => {
                self.is_away.store(true, Ordering::Relaxed);
                absence.begin(&error, self.without);
                None
            }
        }
    }

    fn standing(&self) -> Option<MultiplexedConnection> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Absence {
    fn begin(&mut self, error: &RedisError, without: &str) {
        self.until = Some(Instant::now() + REST);
        if !std::mem::replace(&mut self.is_told, true) {
            tracing::warn!(%error, "Redis is away: {without}");
        }
    }
}
