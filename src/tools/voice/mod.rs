//! The tools as an assistant on the phone asks for them: over our own addresses, in a call. The same tools as a chat's, with
//! a sentence that can be spoken as it is; what changes anything is done once in a call. Must not know HTTP.

mod arguments;
mod booking;
mod greeting;
mod link;
mod words;

use std::time::Duration;

use ring::digest;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::{
    channels::{jackrabbit::Language, telnyx::calls::Asked},
    context::TenantCx,
    domain::calls,
    kernel::{failure::Outcome, ids::ConversationId},
    tools::{self, Call, Tool},
};

pub use arguments::language;
pub use greeting::{greeting, no_greeting};
pub use words::{failed, nobody};

/// What can be asked for on the phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Sends the caller the address at which to register.
    SendLink,
    /// Tells which classes have open places.
    GetClasses,
    /// Books a meeting.
    BookMeeting,
    /// Tells which times are free for one.
    GetAvailableSlots,
}

/// A service that is asked for.
pub struct Request<'a> {
    /// Which.
    pub service: Service,
    /// In which call, by the provider's name.
    pub call: Option<&'a str>,
    /// With what.
    pub asked: &'a Asked,
    /// For how long somebody waits.
    pub deadline: Deadline,
}

/// For how long somebody waits for an answer.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    /// Until when something is to be done; what is not done by then may be looked for.
    work: Instant,
    /// Until when an answer is to be there.
    answer: Instant,
}

impl Deadline {
    /// From now on.
    #[must_use]
    pub fn of(patience: Duration) -> Self {
        let now = Instant::now();
        Self { work: now + patience.mul_f64(0.7), answer: now + patience.mul_f64(0.95) }
    }
}

impl Service {
    const ALL: [Self; 4] = [Self::SendLink, Self::GetClasses, Self::BookMeeting, Self::GetAvailableSlots];

    /// The last part of its address.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::SendLink => "send-link",
            Self::GetClasses => "get-classes",
            Self::BookMeeting => "book-meeting",
            Self::GetAvailableSlots => "get-available-slots",
        }
    }

    /// The service at an address.
    #[must_use]
    pub fn at(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.path() == path)
    }

    /// Whether it changes nothing: then it may go on when nobody waits for it any more.
    #[must_use]
    pub fn only_looks(self) -> bool {
        matches!(self, Self::GetClasses | Self::GetAvailableSlots)
    }

    fn tool(self) -> Tool {
        match self {
            Self::SendLink => Tool::SendRegistrationLink,
            Self::GetClasses => Tool::GetClasses,
            Self::BookMeeting => Tool::BookMeeting,
            Self::GetAvailableSlots => Tool::GetAvailableSlots,
        }
    }
}

/// What the assistant is told: JSON that always holds a sentence to `say`.
///
/// # Errors
/// Faults of ours.
pub async fn serve(cx: &TenantCx, request: &Request<'_>) -> Outcome<Value> {
    let language = language(request.asked);
    let tool = request.service.tool();
    let arguments = arguments::fitted(tool, request.asked);
    match request.service {
        Service::SendLink => link::send(cx, request, arguments, language).await,
        Service::BookMeeting => booking::book(cx, request, arguments, language).await,
        Service::GetClasses => {
            let told = told(cx, tool, None, &arguments.into()).await;
            Ok(spoken(told, language, |_| None))
        }
        Service::GetAvailableSlots => {
            let conversation = match request.call {
                Some(name) => calls::told_in(cx, name).await?,
                None => None,
            };
            let told = told(cx, tool, conversation, &arguments.into()).await;
            Ok(spoken(told, language, |told| Some(words::slots(told, language))))
        }
    }
}

/// What a chat would be told of the same call.
async fn told(
    cx: &TenantCx,
    tool: Tool,
    conversation: Option<ConversationId>,
    arguments: &Value,
) -> Map<String, Value> {
    let text = tools::call(cx, Call { conversation, name: tool.declaration().name, arguments }).await;
    match serde_json::from_str(&text) {
        Ok(Value::Object(told)) => told,
        _ => Map::new(),
    }
}

/// The same with a sentence to say, where it has none. Of what did not do, the model is told why, and the caller that it
/// did not.
fn spoken(
    mut told: Map<String, Value>,
    language: Language,
    say: impl FnOnce(&Map<String, Value>) -> Option<String>,
) -> Value {
    let sentence = if told.contains_key("error") { Some(words::failed(language).to_owned()) } else { say(&told) };
    if let Some(sentence) = sentence {
        told.insert("say".to_owned(), sentence.into());
    }
    told.into()
}

/// What an assistant is told that can't be served: nothing of anybody's.
#[must_use]
pub fn refused(why: &str, say: &str) -> Value {
    json!({ "error": why, "say": say })
}

/// By what a request is known when it comes again.
fn key(parts: &[&str]) -> String {
    hex::encode(digest::digest(&digest::SHA256, parts.join("\n").as_bytes()))
}
