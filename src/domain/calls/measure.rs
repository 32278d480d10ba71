//! What the operator's scraper reads of calls that nobody can be found for. Must not know whose they may have been.

use crate::{domain::calls::Mystery, kernel::metrics::Metrics};

/// Requests about calls of which nobody can say whose they are, by `reason`. Worth an alert.
const COUNT: &str = "frontdesk_voice_unresolved_total";
/// Those that went to the tenant that is set for them.
const FALLBACK: &str = "frontdesk_voice_fallback_total";

/// Says what there is to count, and begins at none: a rise is seen from the first one on.
pub fn announce(metrics: &Metrics) {
    metrics.record(|| {
        metrics::describe_counter!(COUNT, "Requests about phone calls that no tenant could be found for, by reason.");
        metrics::describe_counter!(FALLBACK, "Requests about phone calls that went to VOICE_FALLBACK_TENANT_ID.");
        for mystery in [Some(Mystery::Nobody), Some(Mystery::Contradiction), Some(Mystery::Garbled), None] {
            metrics::counter!(COUNT, "reason" => reason(mystery)).increment(0);
        }
        metrics::counter!(FALLBACK).increment(0);
    });
}

/// Counts one; without a mystery where no account that we know signed it, so that it may be anybody's.
pub(super) fn unresolved(metrics: &Metrics, mystery: Option<Mystery>) {
    metrics.record(|| metrics::counter!(COUNT, "reason" => reason(mystery)).increment(1));
}

pub(super) fn fell_back(metrics: &Metrics) {
    metrics.record(|| metrics::counter!(FALLBACK).increment(1));
}

fn reason(mystery: Option<Mystery>) -> &'static str {
    match mystery {
        Some(Mystery::Nobody) => "unknown",
        Some(Mystery::Contradiction) => "contradiction",
        Some(Mystery::Garbled) => "garbled_tenant_id",
        None => "unsigned",
    }
}
