//! Counts that nodes share, in Redis, by one script. Must not keep anybody waiting for a Redis that is away: then each node
//! counts for itself, and looks a moment later whether it is back.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;
use redis::{AsyncConnectionConfig, RedisResult, Script, aio::MultiplexedConnection};
use ring::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::{Draw, Wait};

/// How long Redis may take to answer.
const ANSWER: Duration = Duration::from_millis(250);
/// How long it is left alone after it did not.
const REST: Duration = Duration::from_secs(1);

pub(super) struct Shared {
    client: redis::Client,
    script: Script,
    link: Mutex<Option<MultiplexedConnection>>,
    /// Held by whoever connects.
    absence: tokio::sync::Mutex<Absence>,
}

#[derive(Default)]
struct Absence {
    /// Before which nobody tries again.
    until: Option<Instant>,
    is_told: bool,
}

impl Shared {
    pub(super) fn new(url: &SecretString) -> anyhow::Result<Self> {
        Ok(Self {
            // The error would hold the URL, and with it the password.
            client: redis::Client::open(url.expose_secret()).ok().context("REDIS_URL can't be read")?,
            script: Script::new(include_str!("gcra.lua")),
            link: Mutex::default(),
            absence: tokio::sync::Mutex::default(),
        })
    }

    /// Counts all, or says which one has to wait, and counts none. `None` when Redis is away.
    pub(super) async fn take(&self, draws: &[Draw]) -> Option<Option<Wait>> {
        let (place, micros) = self.ask(draws, 1).await?;
        Some(place.checked_sub(1).map(|place| Wait { place, micros }))
    }

    /// `false` when Redis is away.
    pub(super) async fn forgive(&self, draws: &[Draw]) -> bool {
        self.ask(draws, -1).await.is_some()
    }

    async fn ask(&self, draws: &[Draw], sign: i64) -> Option<(usize, i64)> {
        let mut link = self.link().await?;
        let mut call = self.script.prepare_invoke();
        for draw in draws {
            // One slot for all, as scripts need where Redis is a cluster.
            call.key(format!("frontdesk:{{limits}}:{}", name(draw)));
            call.arg(draw.rate.step()).arg(draw.rate.slack()).arg(sign * i64::from(draw.amount));
        }
        let answer: RedisResult<(usize, i64)> = call.invoke_async(&mut link).await;
        match answer {
            Ok(answer) => Some(answer),
            Err(error) => {
                *self.link.lock().unwrap_or_else(PoisonError::into_inner) = None;
                self.absence.lock().await.begin(&error);
                None
            }
        }
    }

    async fn link(&self) -> Option<MultiplexedConnection> {
        if let Some(link) = self.standing() {
            return Some(link);
        }
        let mut absence = self.absence.lock().await;
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
                    tracing::info!("limits are counted together with the other nodes again");
                }
                *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Some(link.clone());
                Some(link)
            }
            Err(error) => {
                absence.begin(&error);
                None
            }
        }
    }

    fn standing(&self) -> Option<MultiplexedConnection> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whose count it is, in a form that tells nobody who reads along: it may be an address of mail.
fn name(draw: &Draw) -> String {
    let digest = digest(&SHA256, format!("{}\0{}", draw.what, draw.whose).as_bytes());
    hex::encode(digest.as_ref().get(..16).unwrap_or_default())
}

impl Absence {
    fn begin(&mut self, error: &redis::RedisError) {
        self.until = Some(Instant::now() + REST);
        if !std::mem::replace(&mut self.is_told, true) {
            tracing::warn!(%error, "Redis is away: each node counts limits for itself");
        }
    }
}
