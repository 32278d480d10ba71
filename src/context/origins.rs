//! Which websites may call at all: every origin that some active tenant allows. A browser asks before it says with whom it
//! wants to talk; whether it is this tenant's is judged when it does. Kept for a moment, and dropped by a change.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    db::{Db, tables::tenants},
    kernel::{clock::Clock, failure::Outcome},
};

/// How long what another node changed may go unseen.
const KEPT: TimeDelta = TimeDelta::seconds(10);

#[derive(Default)]
struct Known {
    kept: Option<(DateTime<Utc>, Arc<HashSet<String>>)>,
    /// How often it was dropped: what was looked up before a change is not kept after it.
    dropped: u64,
}

/// The origins of all tenants.
pub struct Origins {
    db: Db,
    clock: Clock,
    known: RwLock<Known>,
    /// Held by the one who looks: however many ask, one does.
    looking: tokio::sync::Mutex<()>,
}

impl Origins {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(db: Db, clock: Clock) -> Self {
        Self { db, clock, known: RwLock::default(), looking: tokio::sync::Mutex::default() }
    }

    /// Whether some active tenant allows `origin`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn know(&self, origin: &str) -> Outcome<bool> {
        if let Some(known) = self.fresh() {
            return Ok(known.contains(origin));
        }
        let _looking = self.looking.lock().await;
        if let Some(known) = self.fresh() {
            return Ok(known.contains(origin));
        }
        let (now, dropped) = (self.clock.now(), self.known.read().unwrap_or_else(PoisonError::into_inner).dropped);
        let lists = self.db.identify(async |tx| tenants::allowed_origins(tx).await).await?;
        let all = lists.iter().filter_map(|list| list.as_array()).flatten();
        let known: HashSet<_> = all.filter_map(|origin| origin.as_str().map(str::to_owned)).collect();
        let answer = known.contains(origin);
        let mut kept = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if kept.dropped == dropped {
            kept.kept = Some((now, Arc::new(known)));
        }
        Ok(answer)
    }

    /// A tenant was made or changed.
    pub fn forget(&self) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.kept = None;
        known.dropped += 1;
    }

    fn fresh(&self) -> Option<Arc<HashSet<String>>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let (since, origins) = known.kept.as_ref()?;
        (self.clock.now() - *since < KEPT).then(|| origins.clone())
    }
}
