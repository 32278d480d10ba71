//! Language models behind one trait. A model gets text and gives text, and calls for tools; it knows no tenant, no
//! conversation and no database. Must not store or publish anything, nor run a tool: that is the chat engine's.

mod breaker;
mod budget;
mod built_in;
mod call;
mod failure;
mod gemini;
mod line;
mod models;
mod openai;
mod pace;
mod patience;
mod reading;
mod remote;

use std::ops::AddAssign;

use futures_util::stream::BoxStream;
use secrecy::SecretString;
use serde_json::Value;

pub use budget::{cut, estimate, estimate_tokens, fit};
pub use built_in::BuiltIn;
pub use failure::ModelError;
pub use line::{Line, Try};
pub use models::{Models, Wish};
pub use pace::Pace;
pub use patience::{Patience, patiently};

use crate::kernel::vocabulary::FinishReason;

/// One thing said in the conversation so far.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// By the customer.
    Customer(String),
    /// By the business: its assistant or its people.
    Business(String),
    /// The model asked for tools, with what it wrote before.
    Called {
        /// What it wrote before; may be empty.
        text: String,
        /// What it asked for.
        calls: Vec<ToolCall>,
    },
    /// What the tools answered, one result for each call before, in that order.
    Results(Vec<ToolResult>),
}

/// A tool that a model may ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    /// What it is called by: letters, digits, `_` and `-`.
    pub name: String,
    /// When to use it.
    pub description: String,
    /// Its arguments, as a JSON schema of an object.
    pub parameters: Value,
}

/// A tool that a model asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    /// The provider's id for the call, or one of ours where it gave none.
    pub id: String,
    /// The tool's name, as the model wrote it.
    pub name: String,
    /// The arguments: an object, unless the model wrote something else; text that is no JSON is a string here.
    pub arguments: Value,
    /// What Gemini wants back with the call, unchanged.
    pub signature: Option<String>,
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolResult {
    /// The call's id.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The answer.
    pub content: String,
}

/// What a model is asked.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    /// The composed prompt.
    pub system: String,
    /// The conversation, oldest first; the last is the customer's, or results.
    pub turns: Vec<Said>,
    /// Tools that the model may ask for.
    pub tools: Vec<ToolSpec>,
    /// Most tokens that the model may write; `None` leaves it to the provider.
    pub max_output: Option<u32>,
    /// What the built-in responder answers from.
    pub grounding: Grounding,
}

/// Facts of the tenant that need no model to be quoted.
#[derive(Debug, Clone, Default)]
pub struct Grounding {
    /// Questions and answers, as the tenant wrote them.
    pub faq: Option<String>,
    /// The business's name.
    pub business: String,
    /// How a customer can reach a person: an address, a number.
    pub contacts: Vec<String>,
    /// Passages of the business's documents that fit the question, the best first.
    pub passages: Vec<String>,
}

/// A piece of a reply.
#[derive(Debug, Clone, PartialEq)]
pub enum Delta {
    /// Some more text; never empty.
    Text(String),
    /// Every call for tools of this reply, whole; never empty. Comes once, before the end.
    Calls(Vec<ToolCall>),
    /// The reply is whole. Always the last piece; a stream that ends without it was cut.
    End {
        /// Why it ended.
        finish: FinishReason,
        /// What it used, where the provider said so.
        usage: Option<Usage>,
    },
}

/// What comes of a model that replies.
#[derive(Debug, Clone, PartialEq)]
pub enum Sign {
    /// A sign of life, and nothing to tell: a thought, a keep-alive.
    Life,
    /// A piece of the reply.
    Piece(Delta),
}

/// Tokens used, as the provider counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Tokens read.
    pub prompt: i32,
    /// Tokens written, hidden thoughts included.
    pub completion: i32,
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.prompt = self.prompt.saturating_add(other.prompt);
        self.completion = self.completion.saturating_add(other.completion);
    }
}

/// Streams replies. Dropping the stream closes the connection to the provider.
pub trait ChatModel: Send + Sync {
    /// The name that is stored with the reply.
    fn name(&self) -> &str;
    /// Begins a reply. One that is whole is not waited for longer than `patience` has for its usage.
    fn reply(&self, request: ModelRequest, patience: Patience) -> BoxStream<'static, Result<Sign, ModelError>>;
}

/// Which provider's dialect a remote model speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// OpenAI's chat completions, and every server compatible with them.
    OpenAi,
    /// Google's Gemini.
    Gemini,
}

/// A provider, as the platform has set it up.
#[derive(Debug, Clone)]
pub struct RemoteSettings {
    /// Its dialect.
    pub provider: Provider,
    /// The base URL, version included (`https://api.openai.com/v1`). Tenants' own keys go there too, and nowhere else.
    pub base_url: String,
    /// The platform's key, where it has one.
    pub key: Option<SecretString>,
    /// The model's name.
    pub model: String,
}

/// The models of this server.
#[derive(Debug, Clone)]
pub struct ModelSettings {
    /// Who writes unless a tenant wishes otherwise; `None` for the built-in responder.
    pub default: Option<Provider>,
    /// OpenAI, or whoever speaks like it.
    pub open_ai: RemoteSettings,
    /// Gemini.
    pub gemini: RemoteSettings,
    /// Tokens of the past conversation that a model is told, as [`estimate_tokens`] counts them.
    pub context_tokens: u32,
}

impl ModelSettings {
    /// A provider's settings.
    #[must_use]
    pub fn of(&self, provider: Provider) -> &RemoteSettings {
        match provider {
            Provider::OpenAi => &self.open_ai,
            Provider::Gemini => &self.gemini,
        }
    }
}
