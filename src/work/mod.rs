//! The worker: takes jobs that are due, does them, and ends each in the transaction of what it did. A job that failed is
//! tried again, later each time; one that fails for good stays to be looked at. A node that dies loses its leases, and others
//! take its jobs. Must not know GraphQL or HTTP.

mod answers;
mod backlog;
mod deliveries;
mod held;
mod mailboxes;
mod mails;
mod texts;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    channels::texting::Texting,
    chat::Engine,
    context::{RequestId, Services, TenantCx},
    db::{
        identity,
        tables::jobs::{self, JobRow, Lease},
    },
    domain::jobs::Job,
    kernel::{
        failure::{Failure, Outcome},
        ids::TenantId,
    },
};

use held::{Held, LEASE, Verdict};

/// Jobs that one node has in hand at the most.
const SLOTS: usize = 32;
/// Of these, one tenant's.
const SLOTS_OF_A_TENANT: usize = 8;
/// Between two looks at what is due, where nothing rings.
const LOOK: Duration = Duration::from_millis(500);

/// Between two measurements of what is in line.
const MEASURE: Duration = Duration::from_secs(5);

/// What a worker works with.
pub struct Tools {
    /// Database, clock, keys.
    pub services: Arc<Services>,
    /// What answers.
    pub engine: Arc<Engine>,
    /// What sends texts.
    pub texting: Texting,
}

/// A node's worker.
pub struct Worker {
    tools: Tools,
    tasks: TaskTracker,
    closing: CancellationToken,
    in_hand: Mutex<HashMap<TenantId, usize>>,
}

impl Worker {
    /// A worker that does nothing until it is told to: by [`Worker::run`], or by [`Worker::work_off`].
    #[must_use]
    pub fn new(tools: Tools) -> Arc<Self> {
        backlog::announce(&tools.services.metrics);
        Arc::new(Self {
            tools,
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
            in_hand: Mutex::default(),
        })
    }

    /// Works until it is closed.
    pub async fn run(self: Arc<Self>) {
        let (mut looks, mut measurements) = (every(LOOK), every(MEASURE));
        loop {
            tokio::select! {
                () = self.closing.cancelled() => return,
                _ = measurements.tick() => self.measure().await,
                _ = looks.tick() => {}
                () = self.tools.services.work.notified() => {}
            }
            while self.take_some().await.is_some_and(|taken| taken > 0) {}
        }
    }

    /// Takes what is due and there is a hand for, and begins with it. `None` when the database is away.
    async fn take_some(self: &Arc<Self>) -> Option<usize> {
        let taken = match self.take(SLOTS_OF_A_TENANT).await {
            Ok(taken) => taken,
            Err(failure) => {
                tracing::warn!(?failure, "jobs could not be looked for");
                return None;
            }
        };
        let count = taken.len();
        for (job, token) in taken {
            let worker = self.clone();
            self.tasks.spawn(async move { worker.do_one(job, token).await }.in_current_span());
        }
        Some(count)
    }

    /// Does everything that is due, and what becomes due by that, to the end; says how many jobs that was. For tests, and
    /// for whoever holds the clock.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn work_off(self: &Arc<Self>) -> Outcome<usize> {
        let mut done = 0;
        loop {
            match self.one_round().await?.len() {
                0 => return Ok(done),
                more => done += more,
            }
        }
    }

    /// One round of it: whose jobs were taken.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn one_round(self: &Arc<Self>) -> Outcome<Vec<TenantId>> {
        let taken = self.take(SLOTS).await?;
        let whose = taken.iter().map(|(job, _)| job.tenant_id).collect();
        join_all(taken.into_iter().map(|(job, token)| self.do_one(job, token))).await;
        Ok(whose)
    }

    async fn take(&self, each: usize) -> Outcome<Vec<(JobRow, Uuid)>> {
        let (busy, free) = {
            let in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
            let busy: Vec<_> = in_hand.iter().filter(|(_, count)| **count >= each).map(|(id, _)| *id).collect();
            (busy, SLOTS.saturating_sub(in_hand.values().sum()))
        };
        if free == 0 || self.closing.is_cancelled() {
            return Ok(Vec::new());
        }
        let now = self.tools.services.clock.now();
        let lease = Lease { token: Uuid::new_v4(), until: now + LEASE };
        let most = (signed(free), signed(each));
        let taken = self.tools.services.db.housekeep(async |tx| jobs::take(tx, &busy, now, lease, most).await).await?;
        let mut in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        for job in &taken {
            *in_hand.entry(job.tenant_id).or_default() += 1;
        }
        Ok(taken.into_iter().map(|job| (job, lease.token)).collect())
    }

    async fn do_one(self: &Arc<Self>, job: JobRow, token: Uuid) {
        let _hand = Hand { worker: self, tenant: job.tenant_id };
        let (id, tenant) = (job.id, job.tenant_id);
        let request = RequestId(format!("job-{id}").into());
        let cx = TenantCx::new(identity::server_work(tenant), self.tools.services.clone(), request);
        let held = Held::new(&cx, job, token);
        if held.is_worn_out() {
            return held.bury("it was tried too often").await;
        }
        let verdict = tokio::select! {
            biased;
            verdict = self.act(&cx, &held) => verdict,
            () = held.renew() => {
                tracing::warn!(job = id, "a job was lost to another node");
                return;
            }
        };
        match verdict {
            Ok(Verdict::Done) => {}
            Ok(Verdict::Wait(pause)) => held.wait(pause).await,
            Ok(Verdict::Later(why, pause)) => held.put_back(&why, pause).await,
            Ok(Verdict::Never(why)) => held.bury(&why).await,
            Err(Failure::Refused(refusal)) => held.put_back(&refusal.message, None).await,
            Err(Failure::Fault(error)) => {
                tracing::error!(job = id, %tenant, error = %format!("{error:#}"), "a job failed");
                held.put_back("a fault of ours; see the server's log", None).await;
            }
        }
    }

    async fn act(&self, cx: &TenantCx, held: &Held<'_>) -> Outcome<Verdict> {
        let Ok(job) = serde_json::from_value::<Job>(held.payload().clone()) else {
            return Ok(Verdict::Never("this build does not know such a job".to_owned()));
        };
        match job {
            Job::Delivery { delivery, text } => deliveries::work_on(&self.tools, cx, held, delivery, text).await,
            Job::Answer { message } => answers::give(&self.tools, cx, held, message).await,
            Job::Text { text } => texts::send(&self.tools, cx, held, text).await,
            Job::Mail { mail } => mails::send(cx, held, mail).await,
            Job::MailboxSync => mailboxes::sync(&self.tools, cx, held).await,
            Job::MailboxCare { generation } => mailboxes::care(cx, held, generation).await,
        }
    }

    /// Takes no more jobs.
    pub fn close(&self) {
        self.closing.cancel();
    }

    /// Waits for what is in hand, at most for `patience`. What is left then runs out of its lease.
    pub async fn drain(&self, patience: Duration) {
        self.close();
        self.tasks.close();
        let _ = tokio::time::timeout(patience, self.tasks.wait()).await;
    }

    /// Measures what is in line.
    pub async fn measure(&self) {
        backlog::measure(&self.tools.services).await;
    }
}

/// A place taken; it is free again however the work ends, by a panic too.
struct Hand<'a> {
    worker: &'a Worker,
    tenant: TenantId,
}

impl Drop for Hand<'_> {
    fn drop(&mut self) {
        let mut in_hand = self.worker.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = in_hand.get_mut(&self.tenant) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                in_hand.remove(&self.tenant);
            }
        }
    }
}

fn every(period: Duration) -> Interval {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
