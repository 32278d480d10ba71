//! What is counted and timed, for the operator's scraper. Held by one program, not by the process, so that two of them in
//! one process (as in tests) do not count into each other. Must not hold what a tenant or a customer said, nor a label
//! whose words they choose.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use anyhow::Context;
use chrono::{DateTime, Utc};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::kernel::ids::TenantId;

/// Upper ends of the buckets that durations fall into, in seconds.
const SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// When this program started, by the name that Prometheus's own libraries give it.
const START: &str = "process_start_time_seconds";

/// Tenants that have a label of their own.
const TENANTS_MAX: usize = 100;

/// The measurements of one program.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    /// Tenants that have a label of their own.
    tenants: Mutex<HashSet<TenantId>>,
}

impl Metrics {
    /// Begins with nothing measured.
    ///
    /// # Errors
    /// When the buckets make no sense.
    pub fn new() -> anyhow::Result<Self> {
        let recorder = PrometheusBuilder::new().set_buckets(SECONDS).context("buckets")?.build_recorder();
        Ok(Self { handle: recorder.handle(), recorder, tenants: Mutex::default() })
    }

    /// Says since when this program runs. By it a scraper sees that one was lost and came again.
    pub fn started(&self, at: DateTime<Utc>) {
        self.record(|| {
            metrics::describe_gauge!(
                START,
                metrics::Unit::Seconds,
                "When this program started, in seconds since the beginning of 1970."
            );
            metrics::gauge!(START).set(moment(at));
        });
    }

    /// Runs `measure`, whose `metrics::counter!`, `histogram!` and `describe_…!` count here. It can't wait for anything:
    /// what it measures is this thread's for as long as it runs.
    pub fn record(&self, measure: impl FnOnce()) {
        metrics::with_local_recorder(&self.recorder, measure);
    }

    /// How a tenant is named in a label: the first hundred that are counted by their numbers, all others together. A scraper pays
    /// for each label for as long as it keeps anything.
    #[must_use]
    pub fn tenant(&self, tenant: TenantId) -> String {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if tenants.len() < TENANTS_MAX {
            tenants.insert(tenant);
        }
        if tenants.contains(&tenant) { tenant.0.to_string() } else { "other".to_owned() }
    }

    /// All of it in Prometheus's text format, version 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Puts single durations into their buckets. To be called every few seconds, or they pile up where nobody scrapes.
    pub fn tidy(&self) {
        self.handle.run_upkeep();
    }
}

/// A number of things, as a gauge shows it.
#[must_use]
pub fn count(things: usize) -> f64 {
    u32::try_from(things).map_or(f64::MAX, f64::from)
}

/// A moment, as a gauge shows it: in seconds since the beginning of 1970.
#[must_use]
pub fn moment(at: DateTime<Utc>) -> f64 {
    (at - DateTime::UNIX_EPOCH).as_seconds_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_tenants_are_bounded() {
        let metrics = Metrics::new().expect("metrics");
        for number in 0..150 {
            let label = metrics.tenant(TenantId(number));
            assert_eq!(label == "other", number >= 100);
        }
        assert_eq!(
            (metrics.tenant(TenantId(99)), metrics.tenant(TenantId(100))),
            ("99".to_owned(), "other".to_owned())
        );
    }

    #[test]
    fn two_programs_in_one_process_count_apart() {
        let (one, other) = (Metrics::new().expect("metrics"), Metrics::new().expect("metrics"));
        one.record(|| {
            metrics::describe_counter!("tests_total", "Tests.");
            metrics::counter!("tests_total", "kind" => "unit").increment(2);
            metrics::histogram!("tests_seconds").record(0.2);
        });
        one.tidy();
        let text = one.render();
        assert!(
            text.contains("# HELP tests_total Tests.\n") && text.contains("tests_total{kind=\"unit\"} 2\n"),
            "{text}"
        );
        assert!(text.contains("tests_seconds_bucket{le=\"0.25\"} 1\n"), "{text}");
        assert_eq!(other.render(), "");
    }
}
