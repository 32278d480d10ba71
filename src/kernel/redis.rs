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
    /// Before which nobody tries again. Held by whoever connects.
    rests_until: tokio::sync::Mutex<Option<Instant>>,
    is_away: AtomicBool,
    /// What does not work while it is away, for the log.
    without: &'static str,
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
            rests_until: tokio::sync::Mutex::default(),
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
                let mut rests_until = self.rests_until.lock().await;
                *self.link.lock().unwrap_or_else(PoisonError::into_inner) = None;
                self.leave(&mut rests_until, &error);
                None
            }
        }
    }

    async fn link(&self) -> Option<MultiplexedConnection> {
        if let Some(link) = self.standing() {
            return Some(link);
        }
        let mut rests_until = match self.rests_until.try_lock() {
            Ok(rests_until) => rests_until,
            // Somebody looks already. At the start they are waited for; later the answer is no.
            Err(_) if self.is_away.load(Ordering::Relaxed) => return None,
            Err(_) => self.rests_until.lock().await,
        };
        if let Some(link) = self.standing() {
            return Some(link);
        }
        if rests_until.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(ANSWER)).set_response_timeout(Some(ANSWER));
        // Boxed: it is rare, and whoever asks, each request among them, would have room for it.
        match Box::pin(self.client.get_multiplexed_async_connection_with_config(&config)).await {
            Ok(link) => {
                *rests_until = None;
                *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Some(link.clone());
                if self.is_away.swap(false, Ordering::Relaxed) {
                    tracing::info!("Redis is back");
                }
                Some(link)
            }
            Err(error) => {
                self.leave(&mut rests_until, &error);
                None
            }
        }
    }

    fn standing(&self) -> Option<MultiplexedConnection> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Leaves it alone for a moment, and says so once.
    fn leave(&self, rests_until: &mut Option<Instant>, error: &RedisError) {
        *rests_until = Some(Instant::now() + REST);
        if !self.is_away.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "Redis is away: {}", self.without);
        }
    }
}
