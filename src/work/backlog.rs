//! What the operator's scraper reads of the jobs in line. Every node measures the same line. Must not know whose jobs they
//! are.

use chrono::{DateTime, Utc};

use crate::{
    context::Services,
    db::tables::backlog::{self, Backlog},
    kernel::metrics::{Metrics, moment},
};

/// Jobs that are in line or in hand, by `kind`.
const DEPTH: &str = "frontdesk_jobs_waiting";
/// Jobs that were given up, by `kind`.
const DEAD: &str = "frontdesk_jobs_dead";
/// How long the one waits that is due longest.
const AGE: &str = "frontdesk_jobs_oldest_seconds";
/// When they were measured last: while the database is away, the others stand still.
const MEASURED: &str = "frontdesk_jobs_measured_timestamp_seconds";

const KINDS: &[&str] = &["delivery", "answer", "text", "mail", "mailbox_sync", "mailbox_care"];

/// Says what there is to measure, and begins at none.
pub(super) fn announce(metrics: &Metrics) {
    metrics.record(|| {
        metrics::describe_gauge!(DEPTH, "Jobs in line or in hand, by kind, over all nodes.");
        metrics::describe_gauge!(DEAD, "Jobs that were given up, by kind, over all nodes.");
        metrics::describe_gauge!(
            AGE,
            metrics::Unit::Seconds,
            "How long the job waits that is due longest, in seconds."
        );
        metrics::describe_gauge!(
            MEASURED,
            metrics::Unit::Seconds,
            "When jobs were measured last, in seconds since the beginning of 1970."
        );
        set(&Backlog::default(), 0.0, DateTime::UNIX_EPOCH);
    });
}

/// Counts what is in line.
pub(super) async fn measure(services: &Services) {
    let now = services.clock.now();
    let backlog = match services.db.housekeep(async |tx| backlog::count(tx, now).await).await {
        Ok(backlog) => backlog,
        Err(failure) => return tracing::warn!(?failure, "the line of jobs could not be measured"),
    };
    let age = backlog.oldest.map_or(0.0, |since| (now - since).as_seconds_f64().max(0.0));
    services.metrics.record(|| set(&backlog, age, now));
}

#[expect(clippy::cast_precision_loss, reason = "a line of 2^52 jobs is not measured to the job")]
fn set(backlog: &Backlog, age: f64, now: DateTime<Utc>) {
    for (name, counts) in [(DEPTH, &backlog.waiting), (DEAD, &backlog.dead)] {
        for kind in KINDS {
            let count = counts.iter().find(|(known, _)| known == kind).map_or(0, |(_, count)| *count);
            metrics::gauge!(name, "kind" => *kind).set(count as f64);
        }
    }
    metrics::gauge!(AGE).set(age);
    metrics::gauge!(MEASURED).set(moment(now));
}
