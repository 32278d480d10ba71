//! Follows one stream to its end, and notes of each token when it came and how late. Must not know how many do so at once.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};

use crate::{
    clock,
    line::{Line, Way},
    upstream,
};

/// What is asked for, and how.
#[derive(Debug, Clone)]
pub struct Ask {
    pub at: SocketAddr,
    pub way: Way,
    pub path: &'static str,
    pub token: String,
    pub body: Value,
}

/// How far all streams of a run are.
#[derive(Default)]
pub struct Progress {
    /// Streams whose first token came, or which broke before it.
    pub begun: AtomicUsize,
    /// Tokens that came.
    pub tokens: AtomicUsize,
}

/// One stream, as its reader saw it.
pub struct Heard {
    pub way: Way,
    /// Nanoseconds from the question to the first token.
    pub first: u64,
    /// Of each token when it came, and how long that was after it was sent, in nanoseconds.
    pub tokens: Vec<(u64, u64)>,
    /// Why it did not come to its end, if it did not.
    pub trouble: Option<String>,
}

impl Ask {
    /// The model itself, or a relay of it.
    pub fn model(at: SocketAddr) -> Self {
        let said = json!({ "role": "user", "content": upstream::question(upstream::MANY) });
        let body = json!({ "model": "bench", "stream": true, "messages": [said] });
        Self { at, way: Way::Sse, path: upstream::PATH, token: String::new(), body }
    }

    /// A question in a conversation, and its reply.
    pub fn chat(at: SocketAddr, way: Way, token: &str, conversation: i64, tokens: u32) -> Self {
        let query = "subscription Chat($input: SendMessageInput!) { chat(input: $input) { __typename cursor \
                     ... on ReplyDelta { messageId text } ... on ReplyCompleted { finishReason } ... on ReplyFailed { code reason } } }";
        let conversation = format!("conversation_{conversation}");
        let input = json!({ "conversationId": conversation, "content": upstream::question(tokens) });
        Self::graph(at, way, token, json!({ "query": query, "variables": { "input": input } }))
    }

    /// Whatever happens in a conversation.
    pub fn events(at: SocketAddr, way: Way, token: &str, conversation: i64) -> Self {
        let query = "subscription Events($id: ID!) { conversationEvents(conversationId: $id) { __typename cursor \
                     ... on ReplyDelta { messageId text } ... on ReplyCompleted { finishReason } ... on ReplyFailed { code reason } } }";
        let id = format!("conversation_{conversation}");
        Self::graph(at, way, token, json!({ "query": query, "variables": { "id": id } }))
    }

    fn graph(at: SocketAddr, way: Way, token: &str, body: Value) -> Self {
        Self { at, way, path: "/graphql/stream", token: token.to_owned(), body }
    }

    /// Asks, and gives the line on which the answer comes.
    pub async fn opened(&self) -> (Line, u64) {
        let mut line = Line::open(self.at, self.way, &self.token).await;
        let asked = clock::now();
        line.ask(self.path, &self.token, &self.body).await;
        (line, asked)
    }

    /// Follows to the end, of which all three who answer have their own word.
    pub async fn follow(self, progress: Arc<Progress>) -> Heard {
        let heard = self.read(&progress).await;
        if heard.tokens.is_empty() {
            progress.begun.fetch_add(1, Ordering::Relaxed);
        }
        heard
    }

    async fn read(self, progress: &Progress) -> Heard {
        let (mut line, asked) = self.opened().await;
        let mut heard = Heard { way: self.way, first: 0, tokens: Vec::new(), trouble: None };
        let mut has_all = false;
        // Of a response, the first pieces may have come with its head.
        let mut is_open = true;
        while is_open {
            let now = clock::now();
            while let Some(piece) = line.take().await {
                let before = heard.tokens.len();
                for stamp in clock::stamps(piece) {
                    if stamp.number != heard.tokens.len() as u64 {
                        heard.trouble = Some(format!("token {} in the place of {}", stamp.number, heard.tokens.len()));
                    }
                    heard.tokens.push((now, now - stamp.sent));
                    has_all = stamp.is_last;
                }
                let more = heard.tokens.len() - before;
                if before == 0 && more > 0 {
                    heard.first = now - asked;
                    progress.begun.fetch_add(1, Ordering::Relaxed);
                }
                progress.tokens.fetch_add(more, Ordering::Relaxed);
                if more > 0 {
                    continue;
                }
                let says = |word: &str| piece.windows(word.len()).any(|found| found == word.as_bytes());
                if says("[DONE]") || says("ReplyCompleted") {
                    if !has_all {
                        heard.trouble = Some(format!("it ended after {} tokens", heard.tokens.len()));
                    }
                    return heard;
                }
                if says("ReplyFailed") || says("\"errors\"") {
                    heard.trouble = Some(String::from_utf8_lossy(piece).into_owned());
                    return heard;
                }
            }
            is_open = line.read().await;
        }
        heard.trouble = Some("it broke off".to_owned());
        heard
    }
}
