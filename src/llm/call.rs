//! The span of one question to a model: who was asked, when the first piece came, what it cost. Must not see what is said.

use futures_util::StreamExt;
use tracing::{Span, field::Empty};

use crate::{
    kernel::trace,
    llm::{Delta, Provider, Usage, line::Pieces},
};

/// Watches an answer, for the trace that it is part of.
pub(super) fn watched(provider: Option<Provider>, model: &str, ask: impl FnOnce() -> Pieces) -> Pieces {
    let system = match provider {
        Some(Provider::OpenAi) => "openai",
        Some(Provider::Gemini) => "gcp.gemini",
        None => "frontdesk",
    };
    let span = tracing::info_span!(
        target: trace::TARGET, "chat", otel.kind = "client", gen_ai.operation.name = "chat",
        gen_ai.system = system, gen_ai.request.model = model, gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty, outcome = Empty, otel.status_code = Empty, error.type = Empty,
    );
    if span.is_disabled() {
        return ask();
    }
    let mut has_begun = false;
    ask()
        .inspect(move |piece| match piece {
            Ok(Delta::Text(_) | Delta::Calls(_)) if !has_begun => {
                has_begun = true;
                tracing::info!(target: trace::TARGET, parent: &span, "gen_ai.first_token");
            }
            Ok(Delta::Text(_) | Delta::Calls(_)) => {}
            Ok(Delta::End { finish, usage }) => {
                used(&span, *usage);
                trace::ended(&span, finish.as_str(), false);
            }
            Err(error) => trace::ended(&span, error.cause.as_str(), true),
        })
        .boxed()
}

fn used(span: &Span, usage: Option<Usage>) {
    let Some(usage) = usage else { return };
    span.record("gen_ai.usage.input_tokens", usage.prompt);
    span.record("gen_ai.usage.output_tokens", usage.completion);
}
