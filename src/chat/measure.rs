//! What the operator's scraper reads of replies. Must not know whose they were, nor what they said.

use chrono::TimeDelta;
use tracing::Span;

use crate::{
    db::tables::messages::TurnRow,
    kernel::{
        ids::TenantId,
        metrics::Metrics,
        trace,
        vocabulary::{MessageStatus, ReplyFailure},
    },
};

/// Replies that ended, by `outcome`: COMPLETE, CANCELLED, or why they failed.
const COUNT: &str = "frontdesk_replies_total";
/// From the question to the reply's end, in seconds.
const SECONDS: &str = "frontdesk_reply_duration_seconds";
/// From the question to the first word of its answer, in seconds.
const FIRST: &str = "frontdesk_first_token_seconds";
/// Tokens of replies and their prompts, by tenant as [`Metrics::tenant`] names them.
const BY_TENANT: &str = "frontdesk_tenant_tokens_total";
/// Tokens, by `kind`: those of prompts, and those of replies.
const TOKENS: &str = "frontdesk_reply_tokens_total";

/// Says what there is to count, and begins at none.
pub(super) fn announce(metrics: &Metrics) {
    metrics.record(|| {
        metrics::describe_counter!(COUNT, "Replies that ended, by what came of them.");
        metrics::describe_histogram!(
            SECONDS,
            metrics::Unit::Seconds,
            "From a question to the end of its reply, in seconds."
        );
        metrics::describe_histogram!(
            FIRST,
            metrics::Unit::Seconds,
            "From a question to the first word of its answer, in seconds."
        );
        metrics::describe_counter!(
            BY_TENANT,
            "Tokens of replies and their prompts, by tenant; of many, by the first hundred."
        );
        metrics::describe_counter!(TOKENS, "Tokens that models were asked and answered with, by kind.");
        let ends =
            [MessageStatus::Complete.as_str(), MessageStatus::Cancelled.as_str(), ReplyFailure::ServerStopped.as_str()];
        for outcome in ends {
            metrics::counter!(COUNT, "outcome" => outcome).increment(0);
        }
        for kind in ["prompt", "completion"] {
            metrics::counter!(TOKENS, "kind" => kind).increment(0);
        }
    });
}

/// Times the first word of an answer.
pub(super) fn first_token(metrics: &Metrics, took: TimeDelta) {
    metrics.record(|| metrics::histogram!(FIRST).record(took.to_std().unwrap_or_default()));
}

/// Counts a reply that ended, and notes in the span of its writing what came of it.
pub(super) fn ended(metrics: &Metrics, tenant: TenantId, reply: &TurnRow) {
    let outcome = match reply.status {
        MessageStatus::Failed => reply.failure_cause.map_or(reply.status.as_str(), ReplyFailure::as_str),
        status => status.as_str(),
    };
    trace::ended(&Span::current(), outcome, reply.status == MessageStatus::Failed);
    let took = (reply.updated_at - reply.created_at).to_std().unwrap_or_default();
    metrics.record(|| {
        metrics::counter!(COUNT, "outcome" => outcome).increment(1);
        metrics::histogram!(SECONDS).record(took);
        for (kind, tokens) in [("prompt", reply.prompt_tokens), ("completion", reply.completion_tokens)] {
            let tokens = tokens.and_then(|tokens| u64::try_from(tokens).ok()).unwrap_or(0);
            metrics::counter!(TOKENS, "kind" => kind).increment(tokens);
            metrics::counter!(BY_TENANT, "tenant" => metrics.tenant(tenant)).increment(tokens);
        }
    });
}
