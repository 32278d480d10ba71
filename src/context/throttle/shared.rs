//! Counts that nodes share, in Redis, by one script, over Redis's own clock. Must not know what is counted.

use redis::Script;
use ring::digest::{SHA256, digest};
use secrecy::SecretString;

use super::{Draw, Wait};
use crate::kernel::redis::Redis;

pub(super) struct Shared {
    redis: Redis,
    script: Script,
}

impl Shared {
    pub(super) fn new(url: &SecretString) -> anyhow::Result<Self> {
        let redis = Redis::new(url, "each node counts limits for itself")?;
        Ok(Self { redis, script: Script::new(include_str!("gcra.lua")) })
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
        let mut call = self.script.prepare_invoke();
        for draw in draws {
            // One slot for all, as scripts need where Redis is a cluster.
            call.key(format!("frontdesk:{{limits}}:{}", name(draw)));
            call.arg(draw.rate.step()).arg(draw.rate.slack()).arg(sign * i64::from(draw.amount));
        }
        self.redis.ask(async |link| call.invoke_async(link).await).await
    }
}

/// Whose count it is, in a form that tells nobody who reads along: it may be an address of mail.
fn name(draw: &Draw) -> String {
    let digest = digest(&SHA256, format!("{}\0{}", draw.what, draw.whose).as_bytes());
    hex::encode(digest.as_ref().get(..16).unwrap_or_default())
}
