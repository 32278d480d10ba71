//! A reply in progress is held by a lease. Its node renews it with each heartbeat, keeping what was written; of a node that
//! died it runs out, and any other ends the reply. All that a node holds of one tenant is renewed by one statement: they
//! cost the database by their tenants, not by their number. Must not know who writes, nor for whom.

use std::{
    collections::HashSet,
    sync::{Arc, Weak},
    time::Duration,
};

use chrono::TimeDelta;
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::{MissedTickBehavior, timeout};

use crate::{
    chat::{engine::Engine, writings::Writing},
    context::{RequestId, Services, TenantCx},
    db::{
        identity,
        tables::messages::{self, Kept},
    },
    kernel::{
        ids::{MessageId, TenantId},
        task,
    },
};

/// After which a reply that nobody renewed counts as abandoned. With a look each second, watchers of a dead node's reply
/// hear of its end within eight.
pub(super) const LEASE: TimeDelta = TimeDelta::seconds(7);
/// How often it is renewed, and what was written is kept.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(2);
/// Moments of a heartbeat at which some are renewed.
const PARTS: u32 = 20;
/// How long a renewal may take: there is time for another before the lease runs out.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Renews what the engine holds, until it is dropped or closed: of some tenants at each of many moments, so that nobody's tokens
/// wait for all of it at once. One that takes long holds up no other.
pub(super) fn start(engine: &Arc<Engine>) {
    let (weak, closing) = (Arc::downgrade(engine), engine.closing.clone());
    task::spawn(async move {
        let mut beat = tokio::time::interval(HEARTBEAT / PARTS);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut part, mut busy, mut running) = (0, HashSet::new(), FuturesUnordered::new());
        loop {
            tokio::select! {
                () = closing.cancelled() => return,
                Some(tenant) = running.next() => {
                    busy.remove(&tenant);
                }
                _ = beat.tick() => {
                    let Some(engine) = Weak::upgrade(&weak) else { return };
                    part = (part + 1) % i64::from(PARTS);
                    let is_due = |tenant: TenantId| tenant.0.rem_euclid(PARTS.into()) == part && !busy.contains(&tenant);
                    for (tenant, replies) in engine.writings.by_tenant(is_due) {
                        busy.insert(tenant);
                        running.push(keep(engine.services.clone(), tenant, replies));
                    }
                }
            }
        }
    });
}

/// Renews the leases of a tenant's replies, and minds stops that were asked for on other nodes, and replies that are not ours any
/// more. Gives the tenant back.
async fn keep(services: Arc<Services>, tenant: TenantId, replies: Vec<(MessageId, Arc<Writing>)>) -> TenantId {
    let cx = TenantCx::new(identity::server_work(tenant), services, RequestId("lease".into()));
    let lease = cx.now() + LEASE;
    let texts: Vec<_> = replies.iter().map(|(id, writing)| (*id, writing.draft.unkept())).collect();
    let lengths: Vec<_> = texts.iter().map(|(_, text)| text.as_ref().map(String::len)).collect();
    let kept = cx.write(async |tx| messages::checkpoint(tx, texts, lease).await);
    // A database that is away is no reason to stop: the next beat tries again.
    let Ok(Ok(kept)) = timeout(PATIENCE, kept).await else {
        let count = replies.len();
        tracing::warn!(%tenant, count, "leases of replies could not be renewed");
        return tenant;
    };
    for ((id, writing), length) in replies.into_iter().zip(lengths) {
        match kept.get(&id) {
            Some(Kept::Open) => {
                if let Some(bytes) = length {
                    writing.draft.kept(bytes);
                }
            }
            Some(Kept::StopRequested) => writing.stop.cancel(),
            // Its row is in other hands for a moment; there are beats to come before the lease runs out.
            Some(Kept::Busy) => {}
            None => writing.taken.cancel(),
        }
    }
    tenant
}
