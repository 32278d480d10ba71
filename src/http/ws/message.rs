//! Messages of `graphql-transport-ws`, and the close codes. Must not hold state.

use std::borrow::Cow;

use async_graphql::Response as Answer;
use axum::extract::ws::{CloseFrame, Message};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    graph::{
        Asked,
        answer::{self, is_request_error},
    },
    http::{body, graphql},
};

/// A message from a client.
#[derive(Debug)]
pub(super) enum FromClient {
    Init(Option<Map<String, Value>>),
    Ping(Option<Value>),
    Pong,
    Subscribe { id: String, asked: Box<Asked> },
    Complete(String),
}

/// Why a socket is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Close {
    /// 1001: the server goes down.
    GoingAway,
    /// 1013: too many sockets, or too much asked for, by whoever opens it; or nobody can say who that is, since the database is
    /// away. Clients come back later by themselves.
    TryAgainLater(Cow<'static, str>),
    /// 1009: a message over the limit.
    TooLarge,
    /// 4400
    Malformed(Cow<'static, str>),
    /// 4401: subscribe before the acknowledgement.
    Unauthorized,
    /// 4403: the proof was refused, or is worth nothing any more.
    Forbidden,
    /// 4406
    Subprotocol,
    /// 4408
    InitTimeout,
    /// 4409
    Duplicate(String),
    /// 4429, for a second connection_init.
    SecondInit,
    /// 4429 too: more operations than a socket may hold.
    TooMany,
}

impl Close {
    pub(super) fn frame(&self) -> CloseFrame {
        let (code, reason) = match self {
            Self::GoingAway => (1001, "Going away".to_owned()),
            Self::TryAgainLater(why) => (1013, why.to_string()),
            Self::TooLarge => (1009, "A message holds 1 MiB at most".to_owned()),
            Self::Malformed(what) => (4400, what.to_string()),
            Self::Unauthorized => (4401, "Unauthorized".to_owned()),
            Self::Forbidden => (4403, "Forbidden".to_owned()),
            Self::Subprotocol => (4406, "Subprotocol not acceptable".to_owned()),
            Self::InitTimeout => (4408, "Connection initialisation timeout".to_owned()),
            Self::Duplicate(id) => (4409, format!("Subscriber for {id} already exists")),
            Self::SecondInit => (4429, "Too many initialisation requests".to_owned()),
            Self::TooMany => (4429, "Too many operations on this socket".to_owned()),
        };
        // A control frame holds 125 bytes, two of them the code.
        let mut end = reason.len().min(123);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        CloseFrame { code, reason: reason.get(..end).unwrap_or_default().into() }
    }
}

/// Longest id of an operation, in bytes.
const ID_MAX: usize = 256;

pub(super) fn parse(text: &str) -> Result<FromClient, Close> {
    let malformed = |what: &'static str| Close::Malformed(what.into());
    let Ok(Value::Object(mut message)) = serde_json::from_str::<Value>(text) else {
        return Err(malformed("Messages are JSON objects"));
    };
    let payload = match message.remove("payload") {
        None | Some(Value::Null) => None,
        Some(Value::Object(payload)) => Some(payload),
        Some(_) => return Err(malformed("A payload is an object")),
    };
    let id = message.remove("id");
    let id = || match id {
        Some(Value::String(id)) if !id.is_empty() && id.len() <= ID_MAX => Ok(id),
        _ => Err(malformed("An id is a string of 1 to 256 bytes")),
    };
    match message.get("type").and_then(Value::as_str) {
        Some("connection_init") => Ok(FromClient::Init(payload)),
        Some("ping") => Ok(FromClient::Ping(payload.map(Value::Object))),
        Some("pong") => Ok(FromClient::Pong),
        Some("complete") => Ok(FromClient::Complete(id()?)),
        Some("subscribe") => {
            let id = id()?;
            let payload = payload.ok_or(malformed("A subscribe has a payload"))?;
            let asked = body::asked(payload).map_err(|bad| Close::Malformed(bad.message))?;
            Ok(FromClient::Subscribe { id, asked: Box::new(asked) })
        }
        _ => Err(malformed("Unknown message type")),
    }
}

pub(super) fn ack() -> Message {
    text(&json!({ "type": "connection_ack" }))
}

pub(super) fn pong(payload: Option<Value>) -> Message {
    match payload {
        Some(payload) => text(&json!({ "type": "pong", "payload": payload })),
        None => text(&json!({ "type": "pong" })),
    }
}

/// An answer: `error`, which ends the operation, when nothing was executed; `next` otherwise.
pub(super) fn answer(id: &str, answer: &Answer) -> (Message, bool) {
    let is_over = is_request_error(answer);
    let mut out = Vec::with_capacity(answer::length(answer));
    out.extend_from_slice(br#"{"id":"#);
    answer::quoted(id, &mut out);
    if is_over {
        out.extend_from_slice(br#","type":"error","payload":"#);
        out.extend_from_slice(graphql::json(&answer.errors).as_bytes());
    } else {
        out.extend_from_slice(br#","type":"next","payload":"#);
        answer::write(answer, &mut out);
    }
    out.push(b'}');
    // JSON is text, whatever it says.
    (Message::Text(String::from_utf8(out).unwrap_or_default().into()), is_over)
}

pub(super) fn complete(id: &str) -> Message {
    text(&json!({ "id": id, "type": "complete" }))
}

fn text(message: &impl Serialize) -> Message {
    Message::Text(graphql::json(message).into())
}
