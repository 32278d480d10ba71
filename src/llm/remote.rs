//! Remote models, by `genai`. What that crate does not tell is added here: whether a stream that ends without `[DONE]`
//! was whole, and what an error means to a customer.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use genai::{
    Client, ModelIden, ServiceTarget,
    adapter::AdapterKind,
    chat::{ChatMessage, ChatOptions, ChatRequest, ChatStreamEvent, FrameCtx, RawFrameRef, StopReason, StreamEnd},
    resolver::{AuthData, Endpoint},
};
use secrecy::ExposeSecret;

use crate::{
    kernel::{failure::ErrorCode, vocabulary::FinishReason},
    llm::{ChatModel, Delta, ModelError, ModelRequest, Provider, RemoteSettings, Speaker, Usage},
};

/// A model of a provider.
pub struct Remote {
    client: Client,
    target: ServiceTarget,
    model: String,
}

impl Remote {
    /// Makes the client; calls nobody yet.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(settings: &RemoteSettings) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            // A redirect would carry the key elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(std::time::Duration::from_secs(5))
            .build()
            .context("HTTP client for the model")?;
        let kind = match settings.provider {
            Provider::OpenAi => AdapterKind::OpenAI,
            Provider::Gemini => AdapterKind::Gemini,
        };
        let base = format!("{}/", settings.base_url.trim_end_matches('/'));
        Ok(Self {
            client: Client::builder().with_reqwest(http).build().context("model client")?,
            target: ServiceTarget {
                endpoint: Endpoint::from_owned(base),
                auth: AuthData::from_single(settings.key.expose_secret().to_owned()),
                model: ModelIden::new(kind, settings.model.clone()),
            },
            model: settings.model.clone(),
        })
    }
}

impl ChatModel for Remote {
    fn name(&self) -> &str {
        &self.model
    }

    fn reply(&self, request: ModelRequest) -> BoxStream<'static, Result<Delta, ModelError>> {
        let (client, target) = (self.client.clone(), self.target.clone());
        let turns = request.turns.into_iter().map(|(speaker, text)| match speaker {
            Speaker::Customer => ChatMessage::user(text),
            Speaker::Business => ChatMessage::assistant(text),
        });
        let chat = ChatRequest::from_messages(turns.collect()).with_system(request.system);
        let ending = Arc::new(Mutex::new(Ending::default()));
        let seen = ending.clone();
        let options = ChatOptions::default().with_capture_usage(true).with_raw_frame_fn(
            move |_: &FrameCtx, frame: RawFrameRef<'_>| {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.is_done |= frame.data == "[DONE]";
                if let Some(json) = frame.json() {
                    seen.note(&json);
                }
            },
        );
        stream::once(async move {
            match client.exec_chat_stream(target, chat, Some(&options)).await {
                Ok(response) => pieces(response.stream, ending).boxed(),
                Err(error) => stream::iter([Err(explain(&error))]).boxed(),
            }
        })
        .flatten()
        .boxed()
    }
}

/// What the raw frames said about the end, for servers that close without `[DONE]`.
#[derive(Default)]
struct Ending {
    finish: Option<FinishReason>,
    usage: Option<Usage>,
    is_done: bool,
}

impl Ending {
    fn note(&mut self, frame: &serde_json::Value) {
        let reason = frame.pointer("/choices/0/finish_reason").or_else(|| frame.pointer("/candidates/0/finishReason"));
        if let Some(reason) = reason.and_then(serde_json::Value::as_str) {
            self.finish = Some(finish(&StopReason::from(reason.to_owned())));
        }
        if let Some(usage) = frame.get("usage").filter(|usage| usage.is_object()) {
            let count = |name| usage.get(name).and_then(serde_json::Value::as_i64).and_then(|n| i32::try_from(n).ok());
            self.usage = Some(Usage {
                prompt: count("prompt_tokens").unwrap_or(0),
                completion: count("completion_tokens").unwrap_or(0),
            });
        }
    }
}

fn pieces(
    events: genai::chat::ChatStream,
    ending: Arc<Mutex<Ending>>,
) -> impl futures_util::Stream<Item = Result<Delta, ModelError>> + Send {
    stream::unfold(Some((events, ending)), |state| async move {
        let (mut events, ending) = state?;
        loop {
            match events.next().await {
                Some(Ok(ChatStreamEvent::Chunk(chunk))) if !chunk.content.is_empty() => {
                    return Some((Ok(Delta::Text(chunk.content)), Some((events, ending))));
                }
                Some(Ok(ChatStreamEvent::End(end))) => return whole(&end, &ending).map(|whole| (Ok(whole), None)),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Some((Err(explain(&error)), None)),
                None => {
                    // No `[DONE]`: whole all the same, if a finish reason came.
                    let noted = ending.lock().unwrap_or_else(PoisonError::into_inner);
                    let finish = noted.finish?;
                    return Some((Ok(Delta::End { finish, usage: noted.usage }), None));
                }
            }
        }
    })
}

/// The end, if it is one: genai makes one up for a Gemini stream that was cut, without a reason. OpenAI's `[DONE]` is an
/// end also where no reason came before it.
fn whole(end: &StreamEnd, ending: &Mutex<Ending>) -> Option<Delta> {
    let noted = ending.lock().unwrap_or_else(PoisonError::into_inner);
    let usage = end.captured_usage.as_ref().map(|usage| Usage {
        prompt: usage.prompt_tokens.unwrap_or(0),
        completion: usage.completion_tokens.unwrap_or(0),
    });
    let reason = end.captured_stop_reason.as_ref().map(finish).or(noted.finish);
    let finish = reason.or_else(|| noted.is_done.then_some(FinishReason::Stop))?;
    Some(Delta::End { finish, usage: usage.or(noted.usage) })
}

fn finish(reason: &StopReason) -> FinishReason {
    match reason {
        StopReason::Completed(_) | StopReason::StopSequence(_) => FinishReason::Stop,
        StopReason::MaxTokens(_) => FinishReason::Length,
        StopReason::ToolCall(_) => FinishReason::ToolCalls,
        StopReason::ContentFilter(_) => FinishReason::ContentFilter,
        StopReason::Other(_) => FinishReason::Error,
    }
}

/// What a provider's error means. Its own text goes to the log only: it may name keys, accounts or other tenants.
fn explain(error: &genai::Error) -> ModelError {
    let refused = |status: u16, body: &str| {
        let (code, reason) = match status {
            401 | 403 => (
                ErrorCode::UpstreamUnavailable,
                "The assistant is not set up rightly: the model's provider refused our key. The operators were told.",
            ),
            413 => (ErrorCode::BadUserInput, "This conversation is too long for the model."),
            400 if body.contains("context_length_exceeded") => {
                (ErrorCode::BadUserInput, "This conversation is too long for the model.")
            }
            429 if body.contains("insufficient_quota") => (
                ErrorCode::UpstreamUnavailable,
                "The account at the model's provider is used up. The operators were told.",
            ),
            429 => (ErrorCode::RateLimited, "The model's provider is busy. Try again in a moment."),
            _ => (ErrorCode::UpstreamUnavailable, "The model's provider has a problem. Try again in a moment."),
        };
        ModelError::new(code, reason, format!("HTTP {status}: {}", shorten(body)))
    };
    match error {
        genai::Error::HttpError { status, body, .. } => refused(status.as_u16(), body),
        genai::Error::WebStream { error, .. } => {
            if let Some(genai::Error::HttpError { status, body, .. }) = error.downcast_ref::<genai::Error>() {
                return refused(status.as_u16(), body);
            }
            ModelError::new(
                ErrorCode::UpstreamUnavailable,
                "The model can't be reached, or broke off. Try again in a moment.",
                shorten(&error.to_string()),
            )
        }
        genai::Error::StreamParse { .. } => ModelError::new(
            ErrorCode::UpstreamUnavailable,
            "The model sent something that can't be read. Try again in a moment.",
            shorten(&error.to_string()),
        ),
        other => ModelError::new(
            ErrorCode::UpstreamUnavailable,
            "The model's provider has a problem. Try again in a moment.",
            shorten(&other.to_string()),
        ),
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(300).collect()
}
