//! Apollo's subscriptions over HTTP: each answer is a part of a multipart response
//! (<https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol>). Must not know where answers
//! come from.

use async_graphql::Response as Answer;
use serde_json::json;

use crate::{
    graph::answer,
    http::{graphql, negotiate::Form, stream::Framing},
};

/// A reader takes a part for whole when it sees the next boundary: so each part ends with it, and none begins with it.
pub(super) const FRAMING: Framing = Framing {
    content_type: Form::Parts.content_type(),
    opening: BOUNDARY,
    answer: next,
    cut,
    sign_of_life: "\r\ncontent-type: application/json\r\n\r\n{}\r\n--graphql",
    end: "--\r\n",
};

/// Where a part ends, and the next may begin.
const BOUNDARY: &str = "\r\n--graphql";

fn next(answer: &Answer, out: &mut Vec<u8>) {
    part(out, |out| {
        out.extend_from_slice(br#"{"payload":"#);
        answer::write(answer, out);
        out.push(b'}');
    });
}

/// Errors beside the payload are the transport's: nothing comes after them.
fn cut(answer: &Answer, out: &mut Vec<u8>) {
    let body = json!({ "payload": null, "errors": answer.errors });
    part(out, |out| out.extend_from_slice(graphql::json(&body).as_bytes()));
}

fn part(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"\r\ncontent-type: application/json\r\n\r\n");
    write(out);
    out.extend_from_slice(BOUNDARY.as_bytes());
}
