//! Language models behind one trait. A model gets text and gives text; it knows no tenant, no conversation and no
//! database. Must not retry, store or publish anything: that is the chat engine's.

mod built_in;
mod patience;
mod remote;

use std::sync::Arc;

use futures_util::stream::BoxStream;
use secrecy::SecretString;

pub use built_in::BuiltIn;
pub use patience::{Patience, patiently};
pub use remote::Remote;

use crate::kernel::{failure::ErrorCode, vocabulary::FinishReason};

/// Who said a turn of the conversation so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The customer.
    Customer,
    /// The business: its assistant or its people.
    Business,
}

/// What a model is asked.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    /// The composed prompt.
    pub system: String,
    /// The conversation, oldest first; the last turn is the customer's.
    pub turns: Vec<(Speaker, String)>,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    /// Some more text; never empty.
    Text(String),
    /// The reply is whole. Always the last piece; a stream that ends without it was cut.
    End {
        /// Why it ended.
        finish: FinishReason,
        /// What it used, where the provider said so.
        usage: Option<Usage>,
    },
}

/// Tokens used, as the provider counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Tokens read.
    pub prompt: i32,
    /// Tokens written.
    pub completion: i32,
}

/// Why a model gave no whole reply.
#[derive(Debug, Clone)]
pub struct ModelError {
    /// The code that clients see.
    pub code: ErrorCode,
    /// A sentence that clients see; holds nothing of the provider's text.
    pub reason: &'static str,
    /// What really happened, for the log.
    pub detail: String,
}

impl ModelError {
    fn new(code: ErrorCode, reason: &'static str, detail: impl Into<String>) -> Self {
        Self { code, reason, detail: detail.into() }
    }
}

/// Streams replies. Dropping the stream closes the connection to the provider.
pub trait ChatModel: Send + Sync {
    /// The name that is stored with the reply.
    fn name(&self) -> &str;
    /// Begins a reply.
    fn reply(&self, request: ModelRequest) -> BoxStream<'static, Result<Delta, ModelError>>;
}

/// Which provider's dialect a remote model speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// OpenAI's chat completions, and every server compatible with them.
    OpenAi,
    /// Google's Gemini.
    Gemini,
}

/// A remote model to use.
#[derive(Debug, Clone)]
pub struct RemoteSettings {
    /// Its dialect.
    pub provider: Provider,
    /// The base URL, version included (`https://api.openai.com/v1`).
    pub base_url: String,
    /// The key.
    pub key: SecretString,
    /// The model's name.
    pub model: String,
}

/// The model of this server: the remote one where a key is set, else the built-in responder.
///
/// # Errors
/// When no HTTP client can be made.
pub fn choose(remote: Option<&RemoteSettings>) -> anyhow::Result<Arc<dyn ChatModel>> {
    Ok(match remote {
        Some(settings) => Arc::new(Remote::new(settings)?),
        None => Arc::new(BuiltIn),
    })
}
