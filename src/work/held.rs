//! A job in hand: its lease renewed while it is worked on, and what becomes of it. Must not know what is to be done.

use std::time::Duration;

use chrono::TimeDelta;
use uuid::Uuid;

use crate::{
    context::TenantCx,
    db::{
        tables::{
            inbox,
            jobs::{self, JobRow, Lease, Next},
        },
        tx::{Tenant, Tx},
    },
    kernel::failure::{Failure, Outcome},
    tokens,
};

/// After which a job that nobody renewed is somebody else's.
pub(super) const LEASE: TimeDelta = TimeDelta::seconds(12);
/// How often it is renewed.
const HEARTBEAT: Duration = Duration::from_secs(4);
/// How long that may take: twice it fits into a lease.
const RENEWAL: Duration = Duration::from_millis(1_500);
/// Tries, the first included.
const TRIES: i32 = 12;
/// Before the second try; twice as long before each further one.
const FIRST: Duration = Duration::from_secs(2);
/// Longest wait between two tries that nobody asked for.
const LONGEST: Duration = Duration::from_mins(15);
/// Longest wait that anybody may ask for.
const MOST: Duration = Duration::from_hours(24);

/// What came of a job.
pub(super) enum Verdict {
    /// It was ended, in the transaction of what it did.
    Done,
    /// It was put off, in the transaction of what it found.
    PutOff,
    /// Something else must come first; the try does not count.
    Wait(Duration),
    /// It failed, and may succeed: after so long at the soonest, where somebody says how long.
    Later(String, Option<Duration>),
    /// It failed, and will again.
    Never(String),
}

/// A job in hand.
pub(super) struct Held<'a> {
    cx: &'a TenantCx,
    job: JobRow,
    token: Uuid,
}

impl<'a> Held<'a> {
    pub(super) fn new(cx: &'a TenantCx, job: JobRow, token: Uuid) -> Self {
        Self { cx, job, token }
    }

    pub(super) fn payload(&self) -> &serde_json::Value {
        &self.job.payload
    }

    /// Whether nobody will try it again.
    pub(super) fn is_last_try(&self) -> bool {
        self.job.attempts >= TRIES
    }

    /// Whether the job is ours yet; it stays so until the transaction ends.
    ///
    /// # Errors
    /// Database faults.
    pub(super) async fn is_ours(&self, tx: &mut Tx<Tenant>) -> Outcome<bool> {
        jobs::lock(tx, self.job.id, self.token).await
    }

    /// Tried more often than anything is: those who took it did not live to say so.
    pub(super) fn is_worn_out(&self) -> bool {
        self.job.attempts > TRIES
    }

    /// The usual wait before the next try: `first` before the second one, and twice as long before each further one.
    pub(super) fn usual(&self, first: Duration) -> Duration {
        let exponent = u32::try_from(self.job.attempts - 1).unwrap_or(0);
        first.saturating_mul(2_u32.saturating_pow(exponent)).min(LONGEST)
    }

    /// Ends the job, and its delivery, where it is of one, in the transaction of what it did: all, or nothing.
    ///
    /// # Errors
    /// When the job is not ours any more; nothing of the transaction stands then.
    pub(super) async fn done(&self, tx: &mut Tx<Tenant>) -> Outcome<Verdict> {
        if !jobs::end(tx, self.job.id, self.token).await? {
            return Err(Failure::fault("a job was lost to another node while it was worked on"));
        }
        if let Some(delivery) = self.job.delivery_id {
            inbox::processed(tx, delivery, self.job.attempts, self.cx.now()).await?;
        }
        Ok(Verdict::Done)
    }

    /// Puts the job off, without counting this try, in the transaction of what it found: whoever goes on when that is over, and makes
    /// such jobs due, finds it. Nothing happens when it is not ours any more.
    ///
    /// # Errors
    /// Database faults.
    pub(super) async fn put_off(&self, tx: &mut Tx<Tenant>, pause: Duration) -> Outcome<Verdict> {
        let now = self.cx.now();
        jobs::put_off(tx, &self.job, self.token, now + delta(pause), now).await?;
        Ok(Verdict::PutOff)
    }

    /// Ends a job that had nothing to change.
    ///
    /// # Errors
    /// As [`Held::done`].
    pub(super) async fn let_it_be(&self) -> Outcome<Verdict> {
        self.cx.write(async |tx| self.done(tx).await).await
    }

    /// Renews the lease until the job is not ours any more. To be polled beside the work.
    pub(super) async fn renew(&self) {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            let lease = Lease { token: self.token, until: self.cx.now() + LEASE };
            let db = &self.cx.services().db;
            let renewed = db.housekeep(async |tx| jobs::renew(tx, self.job.id, lease).await);
            match tokio::time::timeout(RENEWAL, renewed).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => return,
                Ok(Err(failure)) => tracing::warn!(job = self.job.id, ?failure, "a job's lease could not be renewed"),
                Err(_) => tracing::warn!(job = self.job.id, "a job's lease could not be renewed in time"),
            }
        }
    }

    /// Looks again after `pause`, without counting this look.
    pub(super) async fn wait(&self, pause: Duration) {
        self.let_go(Next::Uncounted(self.cx.now() + delta(pause)), "something else comes first").await;
    }

    /// Tries again, later each time, and after `asked` at the soonest; gives up after the last try.
    pub(super) async fn put_back(&self, why: &str, asked: Option<Duration>) {
        if self.is_last_try() {
            return self.bury(why).await;
        }
        let usual = self.usual(FIRST);
        // Spread, so that what failed together does not come back together; never before the time that was asked for. Nor sooner
        // than usual: whoever says "in a second" each time would use up all tries in a moment.
        let pause = match asked {
            Some(asked) => asked.max(usual).min(MOST).mul_f64(1.0 + 0.25 * tokens::chance()),
            None => usual.mul_f64(0.75 + 0.5 * tokens::chance()),
        };
        self.let_go(Next::Again(self.cx.now() + delta(pause)), why).await;
    }

    /// Gives up.
    pub(super) async fn bury(&self, why: &str) {
        tracing::error!(job = self.job.id, payload = %self.job.payload, why, "a job was given up");
        self.let_go(Next::Dead, why).await;
    }

    async fn let_go(&self, next: Next, why: &str) {
        let now = self.cx.now();
        let why: String = why.chars().filter(|c| *c != '\0').take(500).collect();
        let db = &self.cx.services().db;
        let gone = db.housekeep(async |tx| jobs::let_go(tx, &self.job, self.token, next, &why, now).await).await;
        if let Err(failure) = gone {
            // Its lease runs out, and it is tried again.
            tracing::warn!(job = self.job.id, ?failure, "a job could not be put back");
        }
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
