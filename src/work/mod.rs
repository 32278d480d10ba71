//! The worker: takes jobs that are due, does them, and ends each in the transaction of what it did. A job that failed is
//! tried again, later each time; one that fails for good stays to be looked at. A node that dies loses its leases, and others
//! take its jobs. Must not know GraphQL or HTTP.

mod answers;
mod backlog;
mod deliveries;
mod hands;
mod held;
mod mailboxes;
mod mails;
mod texts;

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, Span, field::Empty};
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
        trace,
    },
};

use hands::{Hand, Hands};
use held::{Held, LEASE, Verdict};

/// What one node has in hand at the most, and what of it one tenant's. Answers take as long as their models: what is done in a
/// moment, a STOP among it, has hands of its own.
const ANSWERS: (usize, usize) = (24, 8);
const OTHERS: (usize, usize) = (16, 8);
/// Before somebody else looks at a job that this build does not know.
const STRANGE: Duration = Duration::from_mins(1);
/// Between two looks at what is due, where nothing rings.
const LOOK: Duration = Duration::from_millis(500);

/// Between two measurements of what is in line.
const MEASURE: Duration = Duration::from_secs(5);

/// Between two looks whether every mailbox is looked after.
const TEND: Duration = Duration::from_hours(1);

/// What a worker works with.
pub struct Tools {
    /// Database, clock, keys.
    pub services: Arc<Services>,
    /// What answers.
    pub engine: Arc<Engine>,
    /// What sends texts.
    pub texting: Texting,
}

/// A job that was taken, with what shows it, and the hand that it keeps busy.
struct Taken {
    job: JobRow,
    token: Uuid,
    _hand: Hand,
}

/// A node's worker.
pub struct Worker {
    tools: Tools,
    tasks: TaskTracker,
    closing: CancellationToken,
    hands: [Hands; 2],
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
            hands: [(true, ANSWERS), (false, OTHERS)].map(|(answers, most)| Hands::new(answers, most)),
        })
    }

    /// Works until it is closed.
    pub async fn run(self: Arc<Self>) {
        let (mut looks, mut measurements, mut rounds) = (every(LOOK), every(MEASURE), every(TEND));
        loop {
            tokio::select! {
                () = self.closing.cancelled() => return,
                _ = measurements.tick() => self.measure().await,
                _ = rounds.tick() => self.tend().await,
                _ = looks.tick() => {}
                () = self.tools.services.work.notified() => {}
            }
            while self.take_some().await.is_some_and(|taken| taken > 0) {}
        }
    }

    /// Takes what is due and there is a hand for, and begins with it. `None` when the database is away.
    async fn take_some(self: &Arc<Self>) -> Option<usize> {
        let mut count = 0;
        for hands in &self.hands {
            let taken = match self.take(hands, hands.each).await {
                Ok(taken) => taken,
                Err(failure) => {
                    tracing::warn!(?failure, "jobs could not be looked for");
                    return None;
                }
            };
            count += taken.len();
            for taken in taken {
                let worker = self.clone();
                self.tasks.spawn(async move { worker.do_one(taken).await }.in_current_span());
            }
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
        let mut taken = Vec::new();
        for hands in &self.hands {
            taken.extend(self.take(hands, hands.slots).await?);
        }
        let whose = taken.iter().map(|taken| taken.job.tenant_id).collect();
        join_all(taken.into_iter().map(|taken| self.do_one(taken))).await;
        Ok(whose)
    }

    async fn take(&self, hands: &Hands, each: usize) -> Outcome<Vec<Taken>> {
        let Some(wish) = hands.wish(each).filter(|_| !self.closing.is_cancelled()) else { return Ok(Vec::new()) };
        let now = self.tools.services.clock.now();
        let lease = Lease { token: Uuid::new_v4(), until: now + LEASE };
        let taken = self.tools.services.db.housekeep(async |tx| jobs::take(tx, &wish, now, lease).await).await?;
        let held = |job: JobRow| Taken { token: lease.token, _hand: hands.hold(job.tenant_id), job };
        Ok(taken.into_iter().map(held).collect())
    }

    async fn do_one(self: &Arc<Self>, taken: Taken) {
        let span = span(&taken.job);
        self.do_it(taken).instrument(span).await;
    }

    async fn do_it(self: &Arc<Self>, Taken { job, token, _hand }: Taken) {
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
        let (outcome, is_error) = match &verdict {
            Ok(Verdict::Done) => ("done", false),
            Ok(Verdict::PutOff | Verdict::Wait(_)) => ("wait", false),
            Ok(Verdict::Later(..)) | Err(Failure::Refused(_)) => ("later", true),
            Ok(Verdict::Never(_)) => ("never", true),
            Err(Failure::Fault(_)) => ("fault", true),
        };
        trace::ended(&Span::current(), outcome, is_error);
        match verdict {
            Ok(Verdict::Done | Verdict::PutOff) => {}
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
            // A newer build's, in the middle of a roll-out: its own nodes do it.
            tracing::warn!(payload = %held.payload(), "this build does not know such a job");
            return Ok(Verdict::Wait(STRANGE));
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

    /// Has every mailbox looked after.
    pub async fn tend(&self) {
        mailboxes::tend(&self.tools.services).await;
    }

    /// Measures what is in line.
    pub async fn measure(&self) {
        backlog::measure(&self.tools.services).await;
    }
}

/// The span of a job, in the trace that put it in line.
fn span(job: &JobRow) -> Span {
    let kind = job.payload.get("kind").and_then(Value::as_str).unwrap_or_default();
    let span = tracing::info_span!(
        target: trace::ROOT, "job", job = job.id, kind, tenant = %job.tenant_id, attempt = job.attempts, outcome = Empty,
        trace_id = Empty, otel.name = Empty, otel.kind = Empty, otel.status_code = Empty, error.type = Empty,
    );
    trace::begin(&span, format_args!("job {kind}"), "consumer", job.traceparent.as_deref());
    span
}

fn every(period: Duration) -> Interval {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
