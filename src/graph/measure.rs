//! What the operator's scraper reads of operations. Must not know whose they were, nor what they asked: names of operations are
//! their callers' words.

use std::time::Duration;

use async_graphql::{Response, Value, parser::types::OperationType};

use crate::kernel::metrics::Metrics;

/// Operations that were run, by `kind` and by the `code` of their first error.
const COUNT: &str = "frontdesk_operations_total";
/// How long queries and mutations took, by `kind`.
const SECONDS: &str = "frontdesk_operation_duration_seconds";

const OK: &str = "OK";
const KINDS: [OperationType; 2] = [OperationType::Query, OperationType::Mutation];

/// Says what there is to count, and begins at none.
pub(super) fn announce(metrics: &Metrics) {
    metrics.record(|| {
        metrics::describe_counter!(
            COUNT,
            "Queries and mutations that were run, by kind and by their first error's code."
        );
        metrics::describe_histogram!(SECONDS, metrics::Unit::Seconds, "How long they took, in seconds.");
        for kind in KINDS {
            for code in [OK, "INTERNAL"] {
                metrics::counter!(COUNT, "kind" => word(kind), "code" => code).increment(0);
            }
        }
    });
}

/// Counts an operation, and how long it took.
pub(super) fn count(metrics: &Metrics, kind: OperationType, response: &Response, took: Duration) {
    let code = match response.errors.first() {
        None => OK.to_owned(),
        Some(error) => match error.extensions.as_ref().and_then(|extensions| extensions.get("code")) {
            Some(Value::String(code)) => code.clone(),
            Some(Value::Enum(code)) => code.to_string(),
            _ => "INTERNAL".to_owned(),
        },
    };
    metrics.record(|| {
        metrics::counter!(COUNT, "kind" => word(kind), "code" => code).increment(1);
        metrics::histogram!(SECONDS, "kind" => word(kind)).record(took);
    });
}

fn word(kind: OperationType) -> &'static str {
    match kind {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    }
}
