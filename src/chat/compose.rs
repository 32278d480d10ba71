//! Lets a model write a reply: asks it, tells every piece, runs the tools that it asks for, and asks again. Must not store
//! what is written, nor mind leases: whoever drops this ends it at once, the connection to the model included.

use std::sync::Arc;

use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use crate::{
    chat::{
        bill::{self, Question, Reserved},
        draft::{Draft, Written},
        engine::{Engine, key},
        events::Body,
        generate::How,
        measure,
    },
    context::TenantCx,
    db::tables::messages::TurnRow,
    kernel::{
        failure::{ErrorCode, Failure},
        ids::ConversationId,
        vocabulary::{FinishReason, ReplyFailure},
    },
    llm::{self, Delta, Line, ModelError, ModelRequest, Said, ToolCall, ToolResult, ToolSpec, Try},
    tools,
};

/// Rounds of tools, after which a model must do with what it has.
const ROUNDS: usize = 5;
/// Calls of one round that are run.
const CALLS: usize = 8;
/// Of a tool's answer, a model is told this many characters.
const RESULT_MAX: usize = 6_000;

/// Where a reply is written.
pub(super) struct Place<'a> {
    pub(super) engine: &'a Engine,
    pub(super) cx: &'a TenantCx,
    pub(super) conversation: ConversationId,
    pub(super) reply: &'a TurnRow,
}

/// What a model is to be asked, and by whom.
pub(super) struct Opening {
    pub(super) line: Arc<Line>,
    pub(super) request: ModelRequest,
    /// What came of the reservation for the first question, and the tokens of its prompt; of a model that costs nothing, none.
    pub(super) reserved: Option<(u32, Reserved)>,
}

/// Writes into `draft` until the reply is whole or can't become so.
pub(super) async fn compose(place: &Place<'_>, opening: Opening, draft: &Draft) -> How {
    let deadline = Instant::now() + place.engine.settings.patience.whole;
    let Opening { line, mut request, mut reserved } = opening;
    let (mut rounds, wish) = (0, request.max_output);
    loop {
        if rounds == ROUNDS {
            request.tools.clear();
        }
        let prompt = if line.is_metered() {
            let (prompt, reserved) = if let Some(first) = reserved.take() {
                first
            } else {
                let prompt = llm::estimate(&request);
                let question = Question { model: line.model(), prompt, wish };
                match Box::pin(bill::reserve(place.cx, place.reply, &question, draft.used())).await {
                    Ok(reserved) => (prompt, reserved),
                    Err(failure) => return How::fault(failure),
                }
            };
            request.max_output = match reserved {
                Reserved::Granted(most) => most,
                Reserved::UsedUp(refusal) => return How::fault(refusal.into()),
                Reserved::Gone => return How::Taken,
            };
            prompt
        } else {
            0
        };
        let round = match ask(place, &line, &request, prompt, deadline, draft).await {
            Ok(round) => round,
            Err(error) => return How::model_failed(&if draft.is_empty() { error.bare() } else { error }),
        };
        if round.calls.is_empty() || request.tools.is_empty() {
            return whole(&draft.written(), round.finish);
        }
        let Ok(results) = timeout_at(deadline, Box::pin(run(place, &request.tools, &round.calls))).await else {
            return How::model_failed(&ModelError::late("the tools kept us waiting"));
        };
        request.turns.push(Said::Called { text: draft.answer(), calls: round.calls });
        request.turns.push(Said::Results(results));
        rounds += 1;
    }
}

/// What came of one question to the model, beside the text in the draft.
struct Round {
    calls: Vec<ToolCall>,
    finish: FinishReason,
}

/// Asks a question, whose prompt is so many tokens by estimate.
async fn ask(
    place: &Place<'_>,
    line: &Arc<Line>,
    request: &ModelRequest,
    prompt: u32,
    deadline: Instant,
    draft: &Draft,
) -> Result<Round, ModelError> {
    // At once, and not when somebody has answered: it may be stopped at any time.
    let bill = move |tried| match tried {
        Try::Begun => draft.asked(prompt),
        Try::Free => draft.refused(),
        Try::Owed(usage) => draft.answered(usage),
    };
    let mut pieces = line.ask(request.clone(), place.engine.settings.patience, deadline, bill);
    let mut calls = Vec::new();
    draft.begin_answer();
    while let Some(piece) = pieces.next().await {
        match piece? {
            Delta::Text(more) => {
                // The one letter that PostgreSQL can't keep.
                let more = if more.contains('\0') { more.replace('\0', "") } else { more };
                if more.is_empty() {
                    continue;
                }
                if draft.is_empty() {
                    measure::first_token(&place.cx.services().metrics, place.cx.now() - place.reply.created_at);
                }
                let text = draft.add(more);
                place.tell(Body::ReplyDelta { message: place.reply.id, text });
            }
            Delta::Calls(made) => calls = made,
            Delta::End { finish, usage } => {
                draft.answered(usage);
                return Ok(Round { calls, finish });
            }
        }
    }
    Err(ModelError::cut("a model's stream ended without a word"))
}

impl Place<'_> {
    fn tell(&self, body: Body) {
        let (engine, cx, conversation) = (self.engine, self.cx, self.conversation);
        engine.hub.publish(key(cx, conversation), body);
    }
}

/// Runs the calls of one round, one after the other. Every call gets its answer, be it that it can't be run.
async fn run(place: &Place<'_>, offered: &[ToolSpec], calls: &[ToolCall]) -> Vec<ToolResult> {
    let mut results = Vec::new();
    for (at, call) in calls.iter().enumerate() {
        let content = if let Some(refusal) = refusal(offered, call, at) {
            refusal
        } else {
            place.tell(Body::ToolCalled { message: place.reply.id, name: call.name.clone() });
            let (conversation, name) = (Some(place.conversation), call.name.as_str());
            tools::call(place.cx, tools::Call { conversation, name, arguments: &call.arguments }).await
        };
        let content = llm::cut(&content, RESULT_MAX);
        results.push(ToolResult { id: call.id.clone(), name: call.name.clone(), content });
    }
    results
}

/// Why a call is not run, told to the model so that it may mend it.
fn refusal(offered: &[ToolSpec], call: &ToolCall, at: usize) -> Option<String> {
    if at >= CALLS {
        return Some(format!("Error: not run. At most {CALLS} tools are run at once; call again for the rest."));
    }
    if !offered.iter().any(|tool| tool.name == call.name) {
        return Some("Error: there is no such tool.".to_owned());
    }
    (!call.arguments.is_object()).then(|| "Error: the arguments are not a JSON object.".to_owned())
}

fn whole(written: &Written, finish: FinishReason) -> How {
    match finish {
        FinishReason::ContentFilter => How::model_failed(&ModelError::filtered("the answer was filtered")),
        _ if written.text.is_empty() => How::model_failed(&ModelError::empty("no text")),
        // It asked for tools although it was offered none any more; what it said stands.
        FinishReason::ToolCalls => How::Whole(FinishReason::Stop),
        finish => How::Whole(finish),
    }
}

impl How {
    pub(super) fn model_failed(error: &ModelError) -> Self {
        tracing::warn!(cause = error.cause.as_str(), detail = %error.detail, "a model gave no whole reply");
        Self::Failed { code: error.code(), cause: error.cause, reason: error.reason.to_owned() }
    }

    pub(super) fn fault(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => {
                let is_spent = refusal.code == ErrorCode::QuotaExceeded;
                let cause = if is_spent { ReplyFailure::QuotaExceeded } else { ReplyFailure::Internal };
                Self::Failed { code: refusal.code, cause, reason: refusal.message.into_owned() }
            }
            Failure::Fault(error) => {
                let cause = ReplyFailure::Internal;
                tracing::error!(error = %format!("{error:#}"), "writing a reply");
                let reason = "Something went wrong on our side. Send the message again.".to_owned();
                Self::Failed { code: cause.code(), cause, reason }
            }
        }
    }
}
