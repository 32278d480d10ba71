//! Remote models. `genai` writes the requests, sends them, and cuts what comes back into frames; the frames are read here
//! by readers of our own, since that crate loses some of what they say (see docs/ARCHITECTURE.md). Must not try again.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use anyhow::Context;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use genai::{
    Client, ModelIden, ServiceTarget,
    adapter::AdapterKind,
    chat::{
        ChatMessage, ChatOptions, ChatRequest, ChatStream, ContentPart, FrameCtx, MessageContent, RawFrameRef,
        ReasoningEffort, Tool, ToolCall, ToolResponse,
    },
    resolver::{AuthData, Endpoint},
};
use secrecy::{ExposeSecret, SecretString};

use crate::llm::{
    ChatModel, ModelError, ModelRequest, Patience, Provider, RemoteSettings, Said, Sign, ToolSpec, gemini, openai,
    reading::{Frames, RawFrames, Reading},
};

/// A client that all remote models share.
///
/// # Errors
/// When no HTTP client can be made.
pub(super) fn client() -> anyhow::Result<Client> {
    let http = reqwest::Client::builder()
        // A redirect would carry the key elsewhere.
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
        .build()
        .context("HTTP client for the model")?;
    Client::builder().with_reqwest(http).build().context("model client")
}

/// A model of a provider.
pub(super) struct Remote {
    client: Client,
    target: ServiceTarget,
    provider: Provider,
    model: String,
}

impl Remote {
    /// The model `model` at the provider's address, asked with `key`. Calls nobody yet.
    pub(super) fn new(client: Client, settings: &RemoteSettings, model: String, key: &SecretString) -> Self {
        let kind = match settings.provider {
            Provider::OpenAi => AdapterKind::OpenAI,
            Provider::Gemini => AdapterKind::Gemini,
        };
        let base = format!("{}/", settings.base_url.trim_end_matches('/'));
        let target = ServiceTarget {
            endpoint: Endpoint::from_owned(base),
            auth: AuthData::from_single(key.expose_secret().to_owned()),
            model: ModelIden::new(kind, model.clone()),
        };
        Self { client, target, provider: settings.provider, model }
    }

    fn options(&self, max_output: Option<u32>) -> ChatOptions {
        // Left to itself, genai takes the end of a name such as `mistral-medium` for a wish, and cuts it off. These are the
        // wishes that it makes nothing of.
        let none = match self.provider {
            Provider::OpenAi => ReasoningEffort::Budget(0),
            Provider::Gemini => ReasoningEffort::Zero,
        };
        let options = ChatOptions::default().with_capture_usage(true).with_reasoning_effort(none);
        match max_output {
            Some(most) => options.with_max_tokens(most),
            None => options,
        }
    }
}

impl ChatModel for Remote {
    fn name(&self) -> &str {
        &self.model
    }

    fn reply(&self, request: ModelRequest, patience: Patience) -> BoxStream<'static, Result<Sign, ModelError>> {
        let (client, target) = (self.client.clone(), self.target.clone());
        let frames = Arc::new(Mutex::new(VecDeque::new()));
        let seen = frames.clone();
        let options =
            self.options(request.max_output).with_raw_frame_fn(move |_: &FrameCtx, frame: RawFrameRef<'_>| {
                seen.lock().unwrap_or_else(PoisonError::into_inner).push_back(frame.data.to_owned());
            });
        let reader: Box<dyn Frames> = match self.provider {
            Provider::OpenAi => Box::new(openai::Reader::default()),
            Provider::Gemini => Box::new(gemini::Reader::default()),
        };
        let mut chat = ChatRequest::from_messages(messages(request.turns, self.provider)).with_system(request.system);
        if !request.tools.is_empty() {
            chat = chat.with_tools(request.tools.into_iter().map(tool).collect::<Vec<_>>());
        }
        stream::once(async move {
            match client.exec_chat_stream(target, chat, Some(&options)).await {
                Ok(response) => Reading::new(raw(response.stream, frames), reader, patience).signs(),
                Err(error) => stream::iter([Err(ModelError::of(&error))]).boxed(),
            }
        })
        .flatten()
        .boxed()
    }
}

/// The frames of a stream. genai's own events only tell when to look for them; of some it makes none.
fn raw(mut events: ChatStream, seen: Arc<Mutex<VecDeque<String>>>) -> RawFrames {
    let (mut broken, mut is_over) = (None, false);
    stream::poll_fn(move |cx| {
        loop {
            // They came before whatever was made of them.
            if let Some(frame) = next(&seen) {
                return Poll::Ready(Some(Ok(frame)));
            }
            if let Some(error) = broken.take() {
                return Poll::Ready(Some(Err(error)));
            }
            if is_over {
                return Poll::Ready(None);
            }
            match events.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) if is_about_a_frame(&error) => {}
                Poll::Ready(Some(Err(error))) => broken = Some(ModelError::of(&error)),
                Poll::Ready(None) => is_over = true,
                Poll::Pending => return next(&seen).map_or(Poll::Pending, |frame| Poll::Ready(Some(Ok(frame)))),
            }
        }
    })
    .boxed()
}

fn next(seen: &Mutex<VecDeque<String>>) -> Option<String> {
    seen.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

/// What genai could not read in a frame, we have read ourselves.
fn is_about_a_frame(error: &genai::Error) -> bool {
    !matches!(error, genai::Error::HttpError { .. } | genai::Error::WebStream { .. })
}

fn tool(spec: ToolSpec) -> Tool {
    Tool::new(spec.name).with_description(spec.description).with_schema(spec.parameters)
}

/// The conversation as genai takes it. Gemini wants the customer to begin, and the two to take turns.
fn messages(turns: Vec<Said>, provider: Provider) -> Vec<ChatMessage> {
    let mut messages: Vec<ChatMessage> = Vec::new();
    if provider == Provider::Gemini && !matches!(turns.first(), Some(Said::Customer(_))) {
        messages.push(ChatMessage::user("(The business wrote first.)"));
    }
    for turn in turns {
        let message = message(turn);
        match messages.last_mut() {
            Some(last) if provider == Provider::Gemini && last.role == message.role => {
                last.content = std::mem::take(&mut last.content).extended(message.content);
            }
            _ => messages.push(message),
        }
    }
    messages
}

fn message(turn: Said) -> ChatMessage {
    match turn {
        Said::Customer(text) => ChatMessage::user(text),
        Said::Business(text) => ChatMessage::assistant(text),
        Said::Called { text, calls } => {
            let said = Some(text).filter(|text| !text.is_empty()).map(ContentPart::Text);
            let calls = calls.into_iter().map(|call| {
                ContentPart::ToolCall(ToolCall {
                    call_id: call.id,
                    fn_name: call.name,
                    fn_arguments: call.arguments,
                    thought_signatures: call.signature.map(|signature| vec![signature]),
                })
            });
            ChatMessage::assistant(MessageContent::from_parts(said.into_iter().chain(calls).collect::<Vec<_>>()))
        }
        Said::Results(results) => {
            let results = results
                .into_iter()
                .map(|result| ToolResponse::new(result.id, result.content).with_fn_name(result.name))
                .collect();
            ChatMessage::tool(MessageContent::from_tool_responses(results))
        }
    }
}
