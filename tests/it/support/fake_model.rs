//! A server that speaks OpenAI's and Gemini's wire formats on loopback, by script: it holds each reply until the test lets
//! it go on, and notices when its client leaves.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::post,
};
use futures_util::{StreamExt, future::ready, stream};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc};

/// A server with scripted replies.
pub struct FakeModel {
    /// Where it speaks like OpenAI.
    pub base_url: String,
    /// Where it speaks like Gemini.
    pub gemini_url: String,
    shared: Arc<Shared>,
    calls: tokio::sync::Mutex<mpsc::UnboundedReceiver<Call>>,
}

struct Shared {
    script: Mutex<VecDeque<Script>>,
    calls: mpsc::UnboundedSender<Call>,
}

/// What the server does with the next calls.
#[derive(Clone)]
pub enum Script {
    /// Streams what the test sends through [`Call`].
    ByHand,
    /// Streams these bytes, then closes.
    Bytes(String),
    /// Streams these bytes piece by piece, then closes.
    Pieces(Vec<Vec<u8>>),
    /// Streams these bytes, then breaks the connection.
    Cut(String),
    /// Streams these bytes, then nothing more, and holds the connection.
    Held(String),
    /// Answers at once, with JSON.
    Status(u16, String),
    /// Refuses, with headers.
    Refusal(u16, Vec<(&'static str, String)>, String),
}

/// One call that came in.
pub struct Call {
    /// The path that was asked for, with its query.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
    /// For a reply by hand; the others are over when they are sent.
    frames: Option<mpsc::Sender<Result<Bytes, std::io::Error>>>,
}

impl FakeModel {
    pub async fn start(script: Script) -> Self {
        let (sender, calls) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared { script: Mutex::new([script].into()), calls: sender });
        let router = Router::new()
            .route("/v1/chat/completions", post(answer))
            .route("/v1beta/models/{method}", post(answer))
            .with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base_url = format!("http://{}/v1", listener.local_addr().expect("address"));
        let gemini_url = format!("{base_url}beta");
        #[expect(clippy::disallowed_methods, reason = "a test's helper has no log context to keep")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base_url, gemini_url, shared, calls: tokio::sync::Mutex::new(calls) }
    }

    pub fn script(&self, script: Script) {
        self.scripts([script]);
    }

    /// One for each of the next calls; the last goes on for all after it.
    pub fn scripts(&self, scripts: impl IntoIterator<Item = Script>) {
        *self.shared.script.lock().expect("script") = scripts.into_iter().collect();
    }

    /// Waits for the next call.
    pub async fn call(&self) -> Call {
        self.calls.lock().await.recv().await.expect("a call")
    }

    /// How many called that were not waited for.
    pub async fn calls(&self) -> usize {
        let mut calls = self.calls.lock().await;
        std::iter::from_fn(|| calls.try_recv().ok()).count()
    }

    /// Whether nobody called that was not waited for.
    pub async fn is_idle(&self) -> bool {
        self.calls.lock().await.try_recv().is_err()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let script = {
        let mut scripts = shared.script.lock().expect("script");
        let next = scripts.front().expect("a script").clone();
        if scripts.len() > 1 {
            scripts.pop_front();
        }
        next
    };
    let (frames, stream) = mpsc::channel(16);
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let by_hand = matches!(script, Script::ByHand).then(|| frames.clone());
    let _ = shared.calls.send(Call { path: uri.to_string(), headers, body, frames: by_hand });
    match script {
        Script::Refusal(status, headers, body) => {
            let status = StatusCode::from_u16(status).expect("a status");
            let headers = headers
                .iter()
                .map(|(name, value)| (header::HeaderName::from_static(name), value.parse().expect("a header's value")));
            return (status, headers.collect::<HeaderMap>(), body).into_response();
        }
        Script::Status(status, body) => {
            let status = StatusCode::from_u16(status).expect("a status");
            return (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
        }
        Script::Bytes(bytes) => {
            let _ = frames.send(Ok(bytes.into())).await;
        }
        Script::Pieces(pieces) => {
            let pieces = pieces.into_iter().map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece)));
            let body = Body::from_stream(stream::iter(pieces));
            return ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response();
        }
        Script::Cut(bytes) => {
            // Its own turn: by then they have left.
            let cut = async {
                tokio::task::yield_now().await;
                Err(std::io::Error::other("cut"))
            };
            let body = stream::once(ready(Ok(Bytes::from(bytes)))).chain(stream::once(cut));
            return ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(body)).into_response();
        }
        Script::Held(bytes) => {
            let body = stream::once(ready(Ok::<_, std::io::Error>(Bytes::from(bytes)))).chain(stream::pending());
            return ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(body)).into_response();
        }
        Script::ByHand => {}
    }
    drop(frames);
    let body = Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(stream));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

impl Call {
    fn sender(&self) -> &mpsc::Sender<Result<Bytes, std::io::Error>> {
        self.frames.as_ref().expect("a reply by hand")
    }

    /// Streams a piece of text.
    pub async fn text(&self, text: &str) {
        self.raw(&delta(text)).await;
    }

    /// Streams bytes as they are.
    pub async fn raw(&self, bytes: &str) {
        self.sender().send(Ok(bytes.to_owned().into())).await.expect("somebody listens");
    }

    /// Ends the reply as it should.
    pub async fn finish(self) {
        self.raw(&end()).await;
    }

    /// Breaks the connection.
    pub async fn cut(self) {
        let _ = self.sender().send(Err(std::io::Error::other("cut"))).await;
    }

    /// Waits until the client has closed the connection.
    pub async fn left(&self) {
        self.sender().closed().await;
    }
}

/// A frame with a piece of text.
pub fn delta(text: &str) -> String {
    frame(&json!({ "choices": [{ "index": 0, "delta": { "content": text }, "finish_reason": null }] }))
}

/// The frames of a good end.
pub fn end() -> String {
    let stop = frame(&json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] }));
    let usage = frame(&json!({
        "choices": [],
        "usage": { "prompt_tokens": 21, "completion_tokens": 4, "total_tokens": 25 },
    }));
    format!("{stop}{usage}data: [DONE]\n\n")
}

fn frame(body: &Value) -> String {
    let mut frame = json!({ "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "test-model" });
    frame.as_object_mut().expect("an object").extend(body.as_object().expect("an object").clone());
    format!("data: {frame}\n\n")
}

/// The frames of a call for tools, by OpenAI's format: an id, a name, and arguments as the model wrote them.
pub fn calls(calls: &[(&str, &str, &str)]) -> String {
    let parts: Vec<_> = calls
        .iter()
        .enumerate()
        .map(|(index, (id, name, arguments))| {
            json!({ "index": index, "id": id, "type": "function", "function": { "name": name, "arguments": arguments } })
        })
        .collect();
    let made = frame(&json!({ "choices": [{ "index": 0, "delta": { "tool_calls": parts }, "finish_reason": null }] }));
    format!("{made}{}", end().replace("\"stop\"", "\"tool_calls\""))
}

/// The frames of a whole answer, by Gemini's format.
pub fn gemini(parts: &Value, finish: &str) -> String {
    let body = json!({
        "candidates": [{ "index": 0, "content": { "parts": parts, "role": "model" }, "finishReason": finish }],
        "usageMetadata": { "promptTokenCount": 9, "candidatesTokenCount": 4, "thoughtsTokenCount": 2, "totalTokenCount": 15 },
    });
    format!("data: {body}\r\n\r\n")
}
