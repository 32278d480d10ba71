//! Remote models. `genai` writes the requests, sends them, and cuts what comes back into frames; the frames are read here
//! by readers of our own, since that crate loses some of what they say (see docs/ARCHITECTURE.md). Must not try again.

use std::{
    collections::VecDeque,
    future::poll_fn,
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
        ChatMessage, ChatOptions, ChatRequest, ChatStream, ChatStreamEvent, ContentPart, FrameCtx, MessageContent,
        RawFrameRef, ReasoningEffort, Tool, ToolCall, ToolResponse,
    },
    resolver::{AuthData, Endpoint},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout_at};

use crate::llm::{
    ChatModel, Delta, ModelError, ModelRequest, Patience, Provider, RemoteSettings, Said, Sign, ToolSpec, gemini,
    openai,
};

/// Reads a provider's frames.
pub(super) trait Frames: Send {
    /// Reads the next one.
    fn read(&mut self, frame: &str, told: &mut VecDeque<Result<Delta, ModelError>>);
    /// Whether the model has said why it ends, and that was not told. All that may come then is what it used.
    fn is_whole(&self) -> bool;
    /// There are no more: tells what was held back. Nothing, if the stream was cut.
    fn end(&mut self, told: &mut VecDeque<Result<Delta, ModelError>>);
}

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
                Ok(response) => Reading::new(response.stream, frames, reader, patience.usage).signs(),
                Err(error) => stream::iter([Err(ModelError::of(&error))]).boxed(),
            }
        })
        .flatten()
        .boxed()
    }
}

/// A reply that is being read. genai's own events only tell when to look for frames.
struct Reading {
    events: ChatStream,
    frames: Arc<Mutex<VecDeque<String>>>,
    reader: Box<dyn Frames>,
    told: VecDeque<Result<Delta, ModelError>>,
    is_over: bool,
    /// How long what it used is waited for, and until when, once it is whole.
    usage: Duration,
    until: Option<Instant>,
}

impl Reading {
    fn new(events: ChatStream, frames: Arc<Mutex<VecDeque<String>>>, reader: Box<dyn Frames>, usage: Duration) -> Self {
        Self { events, frames, reader, told: VecDeque::new(), is_over: false, usage, until: None }
    }

    fn signs(self) -> BoxStream<'static, Result<Sign, ModelError>> {
        stream::unfold(self, |mut reading| async move { Some((reading.next().await?, reading)) }).boxed()
    }

    async fn next(&mut self) -> Option<Result<Sign, ModelError>> {
        loop {
            if let Some(piece) = self.told.pop_front() {
                // What breaks behind a whole reply takes nothing of it.
                if piece.is_err() && self.reader.is_whole() {
                    self.told.clear();
                    self.reader.end(&mut self.told);
                    continue;
                }
                // Whatever stands behind an end is not the reply's.
                if !matches!(piece, Ok(Delta::Text(_) | Delta::Calls(_))) {
                    self.told.clear();
                    self.is_over = true;
                }
                return Some(piece.map(Sign::Piece));
            }
            if self.is_over {
                return None;
            }
            let event = match self.until {
                None => self.event().await,
                // A connection that is held open has no more to say.
                Some(until) => timeout_at(until, self.event()).await.unwrap_or(Happened::Event(None)),
            };
            let is_alive = self.read();
            if self.until.is_none() && self.reader.is_whole() {
                self.until = Some(Instant::now() + self.usage);
            }
            match event {
                Happened::Frames | Happened::Event(Some(Ok(_))) => {}
                Happened::Event(Some(Err(error))) if is_about_a_frame(&error) => {}
                Happened::Event(Some(Err(error))) => self.told.push_back(Err(ModelError::of(&error))),
                Happened::Event(None) => {
                    self.reader.end(&mut self.told);
                    self.is_over = self.told.is_empty();
                }
            }
            if is_alive && self.told.is_empty() {
                return Some(Ok(Sign::Life));
            }
        }
    }

    /// The next event, or as much as that frames came, of which genai may make no event.
    async fn event(&mut self) -> Happened {
        let (events, frames) = (&mut self.events, &self.frames);
        poll_fn(|cx| match events.poll_next_unpin(cx) {
            Poll::Ready(event) => Poll::Ready(Happened::Event(event)),
            Poll::Pending if frames.lock().unwrap_or_else(PoisonError::into_inner).is_empty() => Poll::Pending,
            Poll::Pending => Poll::Ready(Happened::Frames),
        })
        .await
    }

    /// Reads the frames that came; whether any did. One without data is a comment, or nothing that we know.
    fn read(&mut self) -> bool {
        let frames = std::mem::take(&mut *self.frames.lock().unwrap_or_else(PoisonError::into_inner));
        for frame in frames.iter().filter(|frame| !frame.is_empty()) {
            self.reader.read(frame, &mut self.told);
        }
        !frames.is_empty()
    }
}

enum Happened {
    Frames,
    Event(Option<genai::Result<ChatStreamEvent>>),
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
