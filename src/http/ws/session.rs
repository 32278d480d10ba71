//! One socket. One loop reads, writes and keeps the book of operations, so that nothing is sent for an operation that its
//! client has ended; each operation runs in a task of its own, so that a slow one holds up no other.

use std::{sync::Arc, time::Duration};

use async_graphql::Response as Answer;
use axum::extract::ws::{Message, WebSocket};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use serde_json::{Map, Value};
use tokio::{
    sync::mpsc,
    task::AbortHandle,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::{
    context::{OpenStream, RequestId},
    graph::{Asked, context::Caller},
    http::{
        Web, admission,
        caller::Proof,
        request_id, watch,
        ws::{
            MESSAGE_MAX, PROTOCOL,
            message::{self, Close, FromClient},
        },
    },
    kernel::{failure::Refusal, task},
};

/// Operations that a socket may hold at once.
const OPERATIONS_MAX: usize = 64;
/// Answers that may wait for a slow socket; their operations wait with them.
const QUEUE: usize = 32;

/// How long a peer may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// An answer of an operation, or its end.
struct Out {
    run: u64,
    /// On the heap: the queue of a socket on which nothing happens holds room for several of these.
    answer: Option<Box<Answer>>,
}

/// An operation that runs.
struct Running {
    /// What its client calls it.
    id: String,
    /// Never given to another: what is under way of an operation that its client has ended is known by it.
    run: u64,
    task: AbortHandle,
}

struct Session {
    web: Arc<Web>,
    socket: WebSocket,
    proof: Proof,
    is_ready: bool,
    /// Counted on its caller's account.
    open: Option<OpenStream>,
    operations: Vec<Running>,
    runs: u64,
    out: mpsc::Sender<Out>,
}

/// Serves a socket to its end.
pub(super) async fn run(web: Arc<Web>, socket: WebSocket, proof: Proof) {
    let (out, answers) = mpsc::channel(QUEUE);
    let mut session = Session { web, socket, proof, is_ready: false, open: None, operations: Vec::new(), runs: 0, out };
    let close = session.serve(answers).await;
    for operation in &session.operations {
        operation.task.abort();
    }
    if let Some(close) = close {
        let sent = session.socket.send(Message::Close(Some(close.frame())));
        // A peer that does not read is left.
        let _ = timeout(session.web.settings.ping, sent).await;
    }
    // Until the peer has closed too: to go with unread frames would reset the connection, and take the close code with it.
    let rest = async { while let Some(Ok(_)) = session.socket.recv().await {} };
    let _ = timeout(GOODBYE, rest).await;
}

impl Session {
    /// Runs until the socket ends; gives what to close it with, unless the peer has closed.
    async fn serve(&mut self, mut answers: mpsc::Receiver<Out>) -> Option<Close> {
        if self.socket.protocol().is_none_or(|protocol| protocol != PROTOCOL) {
            return Some(Close::Subprotocol);
        }
        let web = self.web.clone();
        let ping = web.settings.ping;
        let init_until = Instant::now() + web.settings.init_patience;
        let (mut ping_at, mut heard) = (Instant::now() + ping, Instant::now());
        let mut revoked = None;
        loop {
            let was_ready = self.is_ready;
            tokio::select! {
                () = web.closing.cancelled() => return Some(Close::GoingAway),
                () = sleep_until(init_until), if !self.is_ready => return Some(Close::InitTimeout),
                () = ended(&mut revoked) => return Some(Close::Forbidden),
                frame = self.socket.recv() => {
                    heard = Instant::now();
                    match frame {
                        Some(Ok(Message::Text(text))) if text.len() > MESSAGE_MAX => return Some(Close::TooLarge),
                        Some(Ok(Message::Text(text))) => {
                            if let Err(close) = self.take(text.as_str()).await {
                                return close;
                            }
                        }
                        Some(Ok(Message::Binary(_))) => return Some(Close::Malformed("Messages are text".into())),
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                    }
                }
                Some(out) = answers.recv() => {
                    // It may have ended while a slow reader was waited for.
                    if revoked.as_ref().is_some_and(AbortOnDropHandle::is_finished) {
                        return Some(Close::Forbidden);
                    }
                    if !self.give(out).await {
                        return None;
                    }
                }
                () = sleep_until(ping_at) => {
                    if heard.elapsed() > ping * 2 || !self.send(Message::Ping(Vec::new().into())).await {
                        return None;
                    }
                    ping_at = Instant::now() + ping;
                }
            }
            if self.is_ready && !was_ready {
                revoked = Some(watch::start(web.clone(), self.proof.clone()));
            }
        }
    }

    /// Deals with one message. `Err` ends the socket.
    async fn take(&mut self, text: &str) -> Result<(), Option<Close>> {
        match message::parse(text).map_err(Some)? {
            FromClient::Pong => Ok(()),
            FromClient::Ping(payload) => self.must_send(message::pong(payload)).await,
            FromClient::Init(_) if self.is_ready => Err(Some(Close::SecondInit)),
            // Boxed, so that a socket holds no room for it ever after.
            FromClient::Init(payload) => Box::pin(self.init(payload)).await,
            FromClient::Subscribe { .. } if !self.is_ready => Err(Some(Close::Unauthorized)),
            FromClient::Subscribe { id, .. } if self.operations.iter().any(|known| known.id == id) => {
                Err(Some(Close::Duplicate(id)))
            }
            FromClient::Subscribe { .. } if self.operations.len() >= OPERATIONS_MAX => Err(Some(Close::TooMany)),
            FromClient::Subscribe { id, asked } => {
                self.begin(id, *asked);
                Ok(())
            }
            FromClient::Complete(id) => {
                if let Some(at) = self.operations.iter().position(|known| known.id == id) {
                    self.operations.swap_remove(at).task.abort();
                }
                Ok(())
            }
        }
    }

    async fn init(&mut self, payload: Option<Map<String, Value>>) -> Result<(), Option<Close>> {
        let payload = payload.unwrap_or_default();
        let said = |names: [&str; 2]| {
            let mut named =
                payload.iter().filter(|(name, _)| names.iter().any(|known| name.eq_ignore_ascii_case(known)));
            named.find_map(|(_, value)| match value {
                // What many clients send of what they don't have.
                Value::Null => None,
                Value::String(text) if text.is_empty() => None,
                Value::String(text) => Some(Some(text.clone())),
                // A tenant is known by its number too.
                Value::Number(number) => Some(Some(number.to_string())),
                Value::Bool(_) | Value::Array(_) | Value::Object(_) => Some(None),
            })
        };
        let (authorization, tenant) = (said(["authorization", "token"]), said(["x-tenant-id", "tenantId"]));
        // What the payload says goes before what the handshake said, each for itself.
        self.proof = self.proof.and(&self.web, authorization, tenant);
        let admitted = admission::admit(&self.web, &self.proof, 1).await;
        let opened = admitted.and_then(|()| admission::open(&self.web, &self.proof));
        self.open = Some(opened.map_err(|refusal| Some(Close::TryAgainLater(refusal.message)))?);
        // Somebody without a token is let in: signing in is an operation too. Somebody whose token is worth nothing is not.
        let cx = self.proof.resolve(&self.web, request_id::fresh()).await;
        if let Caller::Unknown(Some(refusal)) = cx.caller {
            // Frontends sign out when they are forbidden. The database being away is no reason to.
            let may_pass = refusal.code.may_pass();
            return Err(Some(if may_pass { Close::TryAgainLater(refusal.message) } else { Close::Forbidden }));
        }
        self.is_ready = true;
        self.must_send(message::ack()).await
    }

    /// Starts an operation in a task of its own, with a fresh context.
    fn begin(&mut self, id: String, asked: Asked) {
        self.runs += 1;
        let run = self.runs;
        let (web, proof, out) = (self.web.clone(), self.proof.clone(), self.out.clone());
        let request_id = request_id::fresh();
        let span = request_id::on_socket(&request_id);
        let work = async move {
            let send = async |answer: Option<Answer>| out.send(Out { run, answer: answer.map(Box::new) }).await.is_ok();
            // Boxed, as above.
            let mut answers = Box::pin(answers(&web, &proof, request_id, asked)).await;
            while let Some(answer) = answers.next().await {
                if !send(Some(answer)).await {
                    return;
                }
            }
            send(None).await;
        };
        self.operations.push(Running { id, run, task: task::spawn(work.instrument(span)).abort_handle() });
    }

    /// Sends what an operation has to say, if its client still wants it. `false` when the socket is gone.
    async fn give(&mut self, out: Out) -> bool {
        let mut known = self.operations.iter().enumerate();
        let Some((at, Running { id, .. })) = known.find(|(_, known)| known.run == out.run) else { return true };
        let (frame, is_over) = match &out.answer {
            Some(answer) => message::answer(id, answer),
            None => (message::complete(id), true),
        };
        if is_over {
            self.operations.swap_remove(at).task.abort();
        }
        self.send(frame).await
    }

    async fn must_send(&mut self, frame: Message) -> Result<(), Option<Close>> {
        if self.send(frame).await { Ok(()) } else { Err(None) }
    }

    /// `false` when the peer is gone, or does not read.
    async fn send(&mut self, frame: Message) -> bool {
        let patience = self.web.settings.ping * 2;
        matches!(timeout(patience, self.socket.send(frame)).await, Ok(Ok(())))
    }
}

/// Waits until a right has ended, once one is watched.
async fn ended(revoked: &mut Option<AbortOnDropHandle<Refusal>>) {
    match revoked {
        // A watch that broke off watches nobody any more.
        Some(revoked) => drop(revoked.await),
        None => std::future::pending().await,
    }
}

/// What an operation has to say, one answer after the other.
async fn answers(web: &Web, proof: &Proof, id: RequestId, asked: Asked) -> BoxStream<'static, Answer> {
    match admission::check(web, proof, &id, Ok(asked)).await {
        Ok(checked) => web.graph.stream(checked, proof.resolve(web, id).await),
        Err(denied) => stream::iter([*denied.answer]).boxed(),
    }
}
