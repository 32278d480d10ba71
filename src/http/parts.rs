//! Apollo's subscriptions over HTTP: each answer is a part of a multipart response
//! (<https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol>). Must not know where answers
//! come from.

use async_graphql::Response as Answer;
use serde::Serialize;
use serde_json::json;

use crate::http::{
    graphql::{self, Said},
    negotiate::Form,
    stream::Framing,
};

/// A reader takes a part for whole when it sees the next boundary: so each part ends with it, and none begins with it.
pub(super) const FRAMING: Framing = Framing {
    content_type: Form::Parts.content_type(),
    opening: "\r\n--graphql",
    answer: next,
    cut,
    sign_of_life: "\r\ncontent-type: application/json\r\n\r\n{}\r\n--graphql",
    end: "--\r\n",
};

#[derive(Serialize)]
struct Payload<'a> {
    payload: Said<'a>,
}

fn next(answer: &Answer) -> String {
    part(&Payload { payload: Said(answer) })
}

/// Errors beside the payload are the transport's: nothing comes after them.
fn cut(answer: &Answer) -> String {
    part(&json!({ "payload": null, "errors": answer.errors }))
}

fn part(body: &impl Serialize) -> String {
    let body = graphql::json(body);
    format!("\r\ncontent-type: application/json\r\n\r\n{body}\r\n--graphql")
}
