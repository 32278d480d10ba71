//! GraphQL over SSE, distinct connections: `next` events, one `complete`, comments to keep the line alive
//! (<https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>). Must not know where answers come from.

use async_graphql::Response as Answer;

use crate::{
    graph::answer,
    http::{negotiate::Form, stream::Framing},
};

const COMMENT: &str = ":\n\n";

pub(super) const FRAMING: Framing = Framing {
    content_type: Form::Events.content_type(),
    opening: COMMENT,
    answer: next,
    cut: next,
    sign_of_life: COMMENT,
    // Without its empty `data:` line, EventSource does not fire it.
    end: "event: complete\ndata:\n\n",
};

fn next(answer: &Answer, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: next\ndata: ");
    // On one line, since JSON has no bare line breaks.
    answer::write(answer, out);
    out.extend_from_slice(b"\n\n");
}
