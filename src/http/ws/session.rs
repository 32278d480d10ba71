//! One socket. One loop reads, writes and keeps the book of operations, so that nothing is sent for an operation that its
//! client has ended; each operation runs in a task of its own, so that a slow one holds up no other.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_graphql::Response as Answer;
use axum::extract::ws::{Message, WebSocket};
use futures_util::StreamExt;
use serde_json::{Map, Value};
use tokio::{
    sync::mpsc,
    task::AbortHandle,
    time::{Instant, sleep_until, timeout},
};
use tracing::Instrument;

use crate::{
    context::OpenStream,
    graph::Asked,
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
    id: String,
    run: u64,
    /// On the heap: the queue of a socket on which nothing happens holds room for several of these.
    answer: Option<Box<Answer>>,
}

struct Session {
    web: Arc<Web>,
    socket: WebSocket,
    proof: Proof,
    is_ready: bool,
    /// Counted on its caller's account.
    open: Option<OpenStream>,
    operations: HashMap<String, (u64, AbortHandle)>,
    runs: u64,
    out: mpsc::Sender<Out>,
}

/// Serves a socket to its end.
pub(super) async fn run(web: Arc<Web>, socket: WebSocket, proof: Proof) {
    let (out, answers) = mpsc::channel(QUEUE);
    let mut session =
        Session { web, socket, proof, is_ready: false, open: None, operations: HashMap::new(), runs: 0, out };
    let close = session.serve(answers).await;
    for (_, operation) in session.operations.values() {
        operation.abort();
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
        let mut revoked =
            Box::pin(std::future::pending::<Refusal>()) as std::pin::Pin<Box<dyn Future<Output = _> + Send>>;
        loop {
            let was_ready = self.is_ready;
            tokio::select! {
                () = web.closing.cancelled() => return Some(Close::GoingAway),
                () = sleep_until(init_until), if !self.is_ready => return Some(Close::InitTimeout),
                _ = &mut revoked => return Some(Close::Forbidden),
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
                Some(out) = answers.recv() => if !self.give(out).await { return None },
                () = sleep_until(ping_at) => {
                    if heard.elapsed() > ping * 2 || !self.send(Message::Ping(Vec::new().into())).await {
                        return None;
                    }
                    ping_at = Instant::now() + ping;
                }
            }
            if self.is_ready && !was_ready {
                let (web, proof) = (web.clone(), self.proof.clone());
                revoked = Box::pin(async move { watch::until_revoked(&web, &proof).await });
            }
        }
    }

    /// Deals with one message. `Err` ends the socket.
    async fn take(&mut self, text: &str) -> Result<(), Option<Close>> {
        match message::parse(text).map_err(Some)? {
            FromClient::Pong => Ok(()),
            FromClient::Ping(payload) => self.must_send(message::pong(payload)).await,
            FromClient::Init(_) if self.is_ready => Err(Some(Close::SecondInit)),
            FromClient::Init(payload) => self.init(payload).await,
            FromClient::Subscribe { .. } if !self.is_ready => Err(Some(Close::Unauthorized)),
            FromClient::Subscribe { id, .. } if self.operations.contains_key(&id) => Err(Some(Close::Duplicate(id))),
            FromClient::Subscribe { .. } if self.operations.len() >= OPERATIONS_MAX => Err(Some(Close::TooMany)),
            FromClient::Subscribe { id, asked } => {
                self.begin(id, *asked);
                Ok(())
            }
            FromClient::Complete(id) => {
                if let Some((_, operation)) = self.operations.remove(&id) {
                    operation.abort();
                }
                Ok(())
            }
        }
    }

    async fn init(&mut self, payload: Option<Map<String, Value>>) -> Result<(), Option<Close>> {
        let payload = payload.unwrap_or_default();
        let text = |names: [&str; 2]| {
            let value = payload.iter().find(|(name, _)| names.iter().any(|known| name.eq_ignore_ascii_case(known)))?;
            Some(value.1.as_str().map(str::to_owned))
        };
        let (authorization, tenant) = (text(["authorization", "token"]), text(["x-tenant-id", "tenantId"]));
        // What the payload says goes before what the handshake said, each for itself.
        self.proof = self.proof.and(&self.web, authorization, tenant);
        let admitted = admission::admit(&self.web, &self.proof, 1).await;
        let opened = admitted.and_then(|()| admission::open(&self.web, &self.proof));
        self.open = Some(opened.map_err(|refusal| Some(Close::TryAgainLater(refusal.message)))?);
        // Somebody without a token is let in: signing in is an operation too. Somebody whose token is worth nothing is not.
        let cx = self.proof.resolve(&self.web, request_id::fresh()).await;
        if matches!(cx.caller, crate::graph::context::Caller::Unknown(Some(_))) {
            return Err(Some(Close::Forbidden));
        }
        self.is_ready = true;
        self.must_send(message::ack()).await
    }

    /// Starts an operation in a task of its own, with a fresh context.
    fn begin(&mut self, id: String, asked: Asked) {
        self.runs += 1;
        let run = self.runs;
        let (web, proof, out, key) = (self.web.clone(), self.proof.clone(), self.out.clone(), id.clone());
        let request_id = request_id::fresh();
        let span = request_id::on_socket(&request_id);
        let work = async move {
            let send = async |answer: Option<Answer>| {
                out.send(Out { id: id.clone(), run, answer: answer.map(Box::new) }).await.is_ok()
            };
            match admission::check(&web, &proof, &request_id, Ok(asked)).await {
                Ok(checked) => {
                    let cx = proof.resolve(&web, request_id).await;
                    let mut answers = web.graph.stream(checked, cx);
                    while let Some(answer) = answers.next().await {
                        if !send(Some(answer)).await {
                            return;
                        }
                    }
                }
                Err(denied) => {
                    send(Some(*denied.answer)).await;
                }
            }
            send(None).await;
        };
        self.operations.insert(key, (run, task::spawn(work.instrument(span)).abort_handle()));
    }

    /// Sends what an operation has to say, if its client still wants it. `false` when the socket is gone.
    async fn give(&mut self, out: Out) -> bool {
        if self.operations.get(&out.id).is_none_or(|(run, _)| *run != out.run) {
            return true;
        }
        let (frame, is_over) = match &out.answer {
            Some(answer) => message::answer(&out.id, answer),
            None => (message::complete(&out.id), true),
        };
        if is_over && let Some((_, operation)) = self.operations.remove(&out.id) {
            operation.abort();
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
