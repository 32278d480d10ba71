//! What the assistant can do besides talking: a model names a tool and its arguments, and is told what came of it. The
//! tenant and the conversation come from the caller, never from the model; arguments are checked as a client's are; what
//! is told holds no internal error, and nothing of a person that was not said in the same call.

mod answer;
mod book_meeting;
mod capture_lead;
mod get_available_slots;
mod get_classes;
mod means;
mod schema;
mod send_registration_link;
pub mod voice;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::{Instrument, field::Empty};

use crate::{
    context::TenantCx,
    db::{
        tables::conversations,
        tx::{Tenant, Tx},
    },
    kernel::{
        failure::{ErrorCode, Failure, Outcome, Refusal},
        ids::ConversationId,
        trace,
        vocabulary::AuditOutcome,
    },
    tools::{answer::Answer, means::Means},
};

/// A tool, as a model is told of it.
#[derive(Debug, Clone)]
pub struct Declaration {
    /// What it is called by.
    pub name: &'static str,
    /// What it does, and when to call it.
    pub description: &'static str,
    /// What it takes: a JSON schema that strict modes take.
    pub parameters: Value,
}

/// A model's call of a tool.
pub struct Call<'a> {
    /// Where it was called; `None` for a caller whose call needs no conversation yet.
    pub conversation: Option<ConversationId>,
    /// Which tool.
    pub name: &'a str,
    /// What with.
    pub arguments: &'a Value,
}

/// The tools there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    SendRegistrationLink,
    GetClasses,
    BookMeeting,
    GetAvailableSlots,
    CaptureLead,
}

impl Tool {
    const ALL: [Self; 5] =
        [Self::SendRegistrationLink, Self::GetClasses, Self::BookMeeting, Self::GetAvailableSlots, Self::CaptureLead];

    fn declaration(self) -> Declaration {
        match self {
            Self::SendRegistrationLink => send_registration_link::declaration(),
            Self::GetClasses => get_classes::declaration(),
            Self::BookMeeting => book_meeting::declaration(),
            Self::GetAvailableSlots => get_available_slots::declaration(),
            Self::CaptureLead => capture_lead::declaration(),
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.declaration().name == name)
    }

    fn is_usable(self, means: &Means) -> bool {
        match self {
            Self::SendRegistrationLink => means.org.is_some() || means.registration_url.is_some(),
            Self::GetClasses => means.org.is_some(),
            Self::BookMeeting | Self::GetAvailableSlots => means.has_hours,
            Self::CaptureLead => true,
        }
    }

    /// What the audit log calls it.
    fn action(self) -> &'static str {
        match self {
            Self::SendRegistrationLink => "tool.send_registration_link",
            Self::GetClasses => "tool.get_classes",
            Self::BookMeeting => "tool.book_meeting",
            Self::GetAvailableSlots => "tool.get_available_slots",
            Self::CaptureLead => "tool.capture_lead",
        }
    }
}

/// The tools that this tenant's assistant has, read in the server's own name: a visitor's own transactions see none of the
/// tenant's settings.
///
/// # Errors
/// Database faults.
pub async fn declared(cx: &TenantCx, tx: &Tx<Tenant>) -> Outcome<Vec<Declaration>> {
    let means = Means::read(cx, tx).await?;
    Ok(Tool::ALL.into_iter().filter(|tool| tool.is_usable(&means)).map(Tool::declaration).collect())
}

/// Runs a call; what the model is told of it. Never an internal error's text.
pub async fn call(cx: &TenantCx, call: Call<'_>) -> String {
    // The assistant acts, not whoever happened to ask it.
    let cx = &cx.for_background();
    let tool = Tool::named(call.name);
    let span = tracing::info_span!(
        target: trace::TARGET, "execute_tool", gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = tool.map_or("unknown", |tool| tool.declaration().name), outcome = Empty,
        otel.status_code = Empty, error.type = Empty,
    );
    let result = match tool {
        Some(tool) => run(cx, tool, &call).instrument(span.clone()).await,
        None => Err(Refusal::input("name", "There is no tool of this name.").into()),
    };
    match &result {
        Ok(_) => trace::ended(&span, "OK", false),
        Err(Failure::Refused(refusal)) => trace::ended(&span, refusal.code.as_str(), false),
        Err(Failure::Fault(_)) => trace::ended(&span, ErrorCode::Internal.as_str(), true),
    }
    let outcome = if result.is_ok() { AuditOutcome::Done } else { AuditOutcome::Refused };
    let action = tool.map_or("tool.unknown", Tool::action);
    let target = call.conversation.map_or_else(|| cx.scope().tenant().to_string(), |id| id.to_string());
    let recorded = cx.write(async |tx| {
        cx.audit_try(tx, action, target, outcome);
        Ok(())
    });
    if let Err(failure) = recorded.await {
        tracing::error!(action, ?failure, "a tool's call could not be recorded");
    }
    match result {
        Ok(answer) => answer.told(),
        Err(Failure::Refused(refusal)) => answer::error(&refusal.message),
        Err(Failure::Fault(error)) => {
            tracing::error!(action, error = %format!("{error:#}"), "a tool failed");
            answer::error("This did not work, for a reason of our own. Say so, and offer that a person follows up.")
        }
    }
}

async fn run(cx: &TenantCx, tool: Tool, call: &Call<'_>) -> Outcome<Answer> {
    let conversation = match call.conversation {
        Some(id) => {
            let found = cx.read(async |tx| conversations::find(tx, id).await).await?;
            Some(found.ok_or_else(|| Refusal::not_found("conversation"))?)
        }
        None => None,
    };
    let somewhere = || conversation.as_ref().ok_or_else(|| Refusal::not_found("conversation"));
    let means = Means::of(cx).await?;
    if !tool.is_usable(&means) {
        return Err(Refusal::input("name", "This business does not offer that.").into());
    }
    match tool {
        Tool::SendRegistrationLink => send_registration_link::run(cx, &means, arguments(call)?).await,
        Tool::GetClasses => get_classes::run(cx, &means, arguments(call)?).await,
        Tool::BookMeeting => book_meeting::run(cx, &means, somewhere()?, arguments(call)?).await,
        Tool::GetAvailableSlots => get_available_slots::run(cx, &means, conversation.as_ref(), &arguments(call)?).await,
        Tool::CaptureLead => capture_lead::run(cx, somewhere()?, arguments(call)?).await,
    }
}

/// The arguments by their type. What is wrong with them is said in the parser's words, which know nothing else.
fn arguments<A: DeserializeOwned>(call: &Call<'_>) -> Result<A, Refusal> {
    A::deserialize(call.arguments).map_err(|error| {
        let words: String = error.to_string().chars().take(300).collect();
        Refusal::input("arguments", format!("The arguments are not as the tool takes them: {words}"))
    })
}
