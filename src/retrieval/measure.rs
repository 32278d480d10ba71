//! What the operator's scraper reads of the looks for passages. Must not know whose they were.

use std::time::Duration;

use crate::{db::tables::knowledge::Passage, kernel::metrics::Metrics, retrieval::Trouble};

/// A tenant's documents.
pub(super) const BUILT_IN: &str = "built_in";
/// A tenant's index at Pinecone.
pub(super) const PINECONE: &str = "pinecone";
/// The database failed.
pub(super) const UNKNOWN: &str = "unknown";

/// Looks for passages, by `provider` and `outcome`.
const COUNT: &str = "frontdesk_retrieval_total";
/// Their duration, by `provider`.
const SECONDS: &str = "frontdesk_retrieval_duration_seconds";

const FOUND: &str = "found";
const EMPTY: &str = "empty";

/// Says what there is to count, and begins at none: a rise is seen from the first failure on.
pub(super) fn announce(metrics: &Metrics) {
    metrics.record(|| {
        metrics::describe_counter!(COUNT, "Looks for passages, by where and by what came of them.");
        metrics::describe_histogram!(SECONDS, metrics::Unit::Seconds, "How long a look for passages took, in seconds.");
        let begin =
            |provider, outcome| metrics::counter!(COUNT, "provider" => provider, "outcome" => outcome).increment(0);
        for provider in [BUILT_IN, PINECONE] {
            begin(provider, FOUND);
            begin(provider, EMPTY);
        }
        for outcome in Trouble::OUTCOMES {
            begin(PINECONE, outcome);
        }
        begin(UNKNOWN, Trouble::FAULT);
    });
}

/// Counts one look, and how long it took.
pub(super) fn count(metrics: &Metrics, provider: &'static str, found: &Result<Vec<Passage>, Trouble>, took: Duration) {
    let outcome = match found {
        Ok(found) if found.is_empty() => EMPTY,
        Ok(_) => FOUND,
        Err(trouble) => trouble.outcome(),
    };
    metrics.record(|| {
        metrics::counter!(COUNT, "provider" => provider, "outcome" => outcome).increment(1);
        metrics::histogram!(SECONDS, "provider" => provider).record(took);
    });
}
