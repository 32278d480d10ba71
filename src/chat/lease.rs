//! A reply in progress is held by a lease. Its node renews it with each heartbeat, keeping what was written; of a node that
//! died it runs out, and any other ends the reply. Must not know what is written.

use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::{
    context::TenantCx,
    db::tables::messages::{self, Kept},
    kernel::ids::MessageId,
};

/// After which a reply that nobody renewed counts as abandoned. With a look each second, watchers of a dead node's reply
/// hear of its end within eight.
pub(super) const LEASE: TimeDelta = TimeDelta::seconds(7);
/// How often it is renewed, and what was written is kept.
const HEARTBEAT: Duration = Duration::from_secs(2);

pub(super) fn heartbeat() -> Interval {
    let mut beat = tokio::time::interval(HEARTBEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is at once, and the lease is fresh.
    beat.reset();
    beat
}

/// Renews the lease, with what is written by then, until the reply is not ours any more. To be polled beside the work, which
/// may hold locks that a renewal waits for: neither may stand still for the other.
pub(super) async fn hold(
    cx: &TenantCx,
    reply: MessageId,
    stop: &CancellationToken,
    written: impl Fn() -> Option<String>,
) {
    let mut beat = heartbeat();
    loop {
        beat.tick().await;
        if !keep(cx, reply, written().as_deref(), stop).await {
            return;
        }
    }
}

/// Does `work` with the lease renewed meanwhile. `None` when the reply is not ours any more.
pub(super) async fn during<T>(
    cx: &TenantCx,
    reply: MessageId,
    stop: &CancellationToken,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = hold(cx, reply, stop, || None) => None,
    }
}

/// Renews the lease, and minds a stop that was asked for on another node. `false` when the reply is not ours any more; a
/// database that is away is no reason to stop.
pub(super) async fn keep(cx: &TenantCx, reply: MessageId, text: Option<&str>, stop: &CancellationToken) -> bool {
    let lease = cx.now() + LEASE;
    let kept = cx.write(async |tx| messages::checkpoint(tx, reply, text, lease).await);
    match tokio::time::timeout(Duration::from_secs(1), kept).await {
        Ok(Ok(Kept::Open)) => true,
        Ok(Ok(Kept::StopRequested)) => {
            stop.cancel();
            true
        }
        Ok(Ok(Kept::Gone)) => false,
        Ok(Err(_)) | Err(_) => {
            tracing::warn!(%reply, "a reply's lease could not be renewed");
            true
        }
    }
}
