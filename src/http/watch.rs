//! Open streams are looked at again: a token that expired, a session that was ended, a user or tenant that was switched
//! off ends them within seconds. All streams of one session are looked at in the same moment, so that the first look
//! serves for all of them (`db/standings.rs`), and those of different sessions in different ones.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::{
    graph::context::Caller,
    http::{Web, caller::Proof, request_id},
    kernel::{
        failure::{ErrorCode, Refusal},
        task,
    },
    tokens,
};

/// Watches a caller's right in a task of its own, and says why it has ended: nobody polls a stream whose reader has stopped to read,
/// nor looks at a socket while it is written to. Over with whoever holds it.
pub(super) fn start(web: Arc<Web>, proof: Proof) -> AbortOnDropHandle<Refusal> {
    AbortOnDropHandle::new(task::spawn(async move { until_revoked(&web, &proof).await }))
}

/// Waits until the caller may no longer be served, and says why. For somebody without a token: for ever.
async fn until_revoked(web: &Web, proof: &Proof) -> Refusal {
    let Some(token) = proof.token() else { return std::future::pending().await };
    let (clock, every, chance) = (&web.services.clock, web.settings.recheck, tokens::chance());
    loop {
        tokio::time::sleep(until_next(clock.now(), every, token.session(), chance)).await;
        if token.expires_at() <= clock.now() {
            return Refusal::new(ErrorCode::Unauthenticated, "The access token has expired. Refresh it and come back.");
        }
        // Boxed: a stream on which nothing happens holds no room for it.
        match Box::pin(proof.resolve(web, request_id::fresh())).await.caller {
            // The database being away is no reason to turn anybody out.
            Caller::Unknown(Some(refusal)) if !refusal.code.may_pass() => return refusal,
            _ => {}
        }
    }
}

/// How long until a stream of a session is looked at again: a quarter more than `every` at the most. By `chance` (from 0 up to
/// 1) those of one session are an eighth of that apart, so that the second finds what the first has read.
fn until_next(now: DateTime<Utc>, every: Duration, session: Uuid, chance: f64) -> Duration {
    let period = every.as_nanos().max(1);
    let now = u128::try_from(now.timestamp_nanos_opt().unwrap_or_default()).unwrap_or_default();
    let moment = session.as_u128() % period + every.mul_f64(chance / 8.0).as_nanos();
    // Of what is taken away, the multiple of the period keeps it from falling below zero.
    let since = (now + 2 * period - moment) % period;
    let left = period - since;
    let wait = if left < period / 4 { left + period } else { left };
    Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    const EVERY: Duration = Duration::from_secs(3);

    #[test]
    fn streams_of_a_session_are_looked_at_together_and_none_is_forgotten() {
        let start = DateTime::from_timestamp(1_763_700_000, 0).unwrap();
        let session = Uuid::from_u128(0x0123_4567_89ab_cdef);
        let moment = |after: i64, chance| {
            let now = start + TimeDelta::milliseconds(after);
            let wait = until_next(now, EVERY, session, chance);
            assert!(wait >= EVERY / 4 && wait <= EVERY * 5 / 4, "{wait:?} after {after} ms");
            (now + wait).timestamp_millis() % 3_000
        };
        let first = moment(0, 0.0);
        for after in (0..6_000).step_by(37) {
            assert_eq!(moment(after, 0.0), first, "begun {after} ms later");
            assert!((moment(after, 0.99) - first).rem_euclid(3_000) < 375);
        }
        assert_ne!(until_next(start, EVERY, Uuid::from_u128(7), 0.0), until_next(start, EVERY, session, 0.0));
        // A period of nothing is no fault.
        assert!(until_next(start, Duration::ZERO, session, 0.5) <= Duration::from_nanos(2));
    }
}
