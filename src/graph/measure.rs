//! What the operator's scraper reads of operations, and their spans. Must not know whose they were, nor what they asked: names of
//! operations are their callers' words, and stand in traces alone.

use std::time::Duration;

use async_graphql::{
    Response, Value,
    parser::types::{DocumentOperations, OperationType},
};
use tracing::{Span, field::Empty};

use crate::{
    graph::check::Checked,
    kernel::{metrics::Metrics, trace},
};

/// Operations that were run, by `kind` and by the `code` of their first error.
const COUNT: &str = "frontdesk_operations_total";
/// How long queries and mutations took, by `kind`.
const SECONDS: &str = "frontdesk_operation_duration_seconds";

const OK: &str = "OK";
/// Of the name of an operation, so many characters are shown in traces.
const NAME_MAX: usize = 64;
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
    let code = code(response).unwrap_or_else(|| OK.to_owned());
    metrics.record(|| {
        metrics::counter!(COUNT, "kind" => word(kind), "code" => code).increment(1);
        metrics::histogram!(SECONDS, "kind" => word(kind)).record(took);
    });
}

/// The code of the first error.
fn code(response: &Response) -> Option<String> {
    let error = response.errors.first()?;
    Some(match error.extensions.as_ref().and_then(|extensions| extensions.get("code")) {
        Some(Value::String(code)) => code.clone(),
        Some(Value::Enum(code)) => code.to_string(),
        _ => "INTERNAL".to_owned(),
    })
}

/// The span of an operation. Of a trace's reader only its name is known there, as far as it is not too long.
pub(super) fn span(mut checked: Checked) -> (Checked, Span) {
    let kind = word(checked.kind);
    let span = tracing::info_span!(
        target: trace::TARGET, "graphql", otel.name = kind, graphql.operation.type = kind,
        graphql.operation.name = Empty, outcome = Empty, otel.status_code = Empty, error.type = Empty,
    );
    if !span.is_disabled()
        && let Some(name) = name(&mut checked)
    {
        span.record("graphql.operation.name", name);
    }
    (checked, span)
}

fn name(checked: &mut Checked) -> Option<String> {
    let wanted = checked.request.operation_name.clone().filter(|name| !name.is_empty());
    let DocumentOperations::Multiple(operations) = &checked.request.parsed_query().ok()?.operations else {
        return None;
    };
    let name = operations.keys().find(|name| wanted.as_deref().is_none_or(|wanted| wanted == name.as_str()))?;
    Some(name.chars().take(NAME_MAX).collect())
}

/// Notes what came of an operation. A refusal is no error of ours.
pub(super) fn note(span: &Span, response: &Response) {
    if span.is_disabled() {
        return;
    }
    let code = code(response).unwrap_or_else(|| OK.to_owned());
    trace::ended(span, &code, code == "INTERNAL");
}

fn word(kind: OperationType) -> &'static str {
    match kind {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    }
}
