//! What the assistant can do beside talking. A tool sees its tenant's context and nothing else; what a model wrote is checked
//! like a client's input. Must not know which model calls, or who watches.

mod capture_lead;

use serde_json::Value;

use crate::{
    context::TenantCx,
    kernel::{
        failure::{Failure, Outcome},
        ids::ConversationId,
    },
};

/// A tool, as models are told of it.
pub struct Declaration {
    /// What it is called by.
    pub name: &'static str,
    /// When to use it.
    pub description: &'static str,
    /// Its arguments, as a JSON schema of an object.
    pub parameters: Value,
}

/// The tools that this tenant's assistant has.
///
/// # Errors
/// Database faults.
#[expect(clippy::unused_async, reason = "which tools there are depends on the tenant's settings, once there are more")]
pub async fn declared(_cx: &TenantCx) -> Outcome<Vec<Declaration>> {
    Ok(vec![capture_lead::declaration()])
}

/// A call by a model.
pub struct Call<'a> {
    /// Where.
    pub conversation: ConversationId,
    /// The tool's name.
    pub name: &'a str,
    /// What the model gave it.
    pub arguments: &'a Value,
}

/// Runs a call; what the model is told of it. Never an internal error's text.
pub async fn call(cx: &TenantCx, call: Call<'_>) -> String {
    let answer = match call.name {
        capture_lead::NAME => capture_lead::run(cx, &call).await,
        _ => return "There is no such tool.".to_owned(),
    };
    match answer {
        Ok(text) => text,
        Err(Failure::Refused(refusal)) => refusal.message.into_owned(),
        Err(Failure::Fault(error)) => {
            tracing::error!(tool = call.name, error = %format!("{error:#}"), "a tool failed");
            "The tool has a fault. Go on without it.".to_owned()
        }
    }
}
