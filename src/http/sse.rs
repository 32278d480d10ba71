//! GraphQL over SSE, distinct connections: `next` events, one `complete`, comments to keep the line alive. Leaving ends the
//! subscription, and nothing else.

use std::{convert::Infallible, sync::Arc, time::Duration};

use async_graphql::{Response as Answer, ServerError};
use axum::{
    body::Body,
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};
use futures_util::{
    Stream, StreamExt,
    future::Either,
    stream::{self, BoxStream},
};
use serde_json::json;

use crate::{
    context::OpenStream,
    graph::is_request_error,
    http::{Web, caller::Proof, negotiate::Form, watch},
};

const KEEP_ALIVE: Duration = Duration::from_secs(12);
const COMMENT: &str = ":\n\n";

/// One answer as a stream.
pub(super) fn once(answer: Answer) -> Response {
    events(stream::iter([answer]))
}

/// An operation's answers, as they come; cut when its caller may no longer be served, or the server goes down.
pub(super) fn respond(web: Arc<Web>, proof: Proof, answers: BoxStream<'static, Answer>, open: OpenStream) -> Response {
    let closing = web.closing.clone().cancelled_owned();
    let cut = Box::pin(async move {
        let revoked = std::pin::pin!(watch::until_revoked(&web, &proof));
        match futures_util::future::select(revoked, std::pin::pin!(closing)).await {
            Either::Left((refusal, _)) => Some(Answer::from_errors(vec![revoked_error(&refusal)])),
            Either::Right(_) => None,
        }
    });
    let state = Some((answers, cut, open));
    events(stream::unfold(state, |state| async move {
        let (mut answers, cut, open) = state?;
        match futures_util::future::select(answers.next(), cut).await {
            Either::Left((Some(answer), cut)) => Some((answer, Some((answers, cut, open)))),
            Either::Left((None, _)) | Either::Right((None, _)) => None,
            Either::Right((Some(last), _)) => Some((last, None)),
        }
    }))
}

fn revoked_error(refusal: &crate::kernel::failure::Refusal) -> ServerError {
    let mut error = ServerError::new(refusal.message.clone(), None);
    error.extensions.get_or_insert_default().set("code", refusal.code.as_str());
    error
}

fn events(answers: impl Stream<Item = Answer> + Send + 'static) -> Response {
    let next = answers.map(|answer| {
        // Without `data` where nothing was executed; on one line, since JSON has no bare line breaks.
        let body = if is_request_error(&answer) { json!({ "errors": answer.errors }) } else { json!(answer) };
        format!("event: next\ndata: {body}\n\n")
    });
    // A comment at once flushes the headers through browsers and proxies that wait for a body. The last event needs its
    // empty `data:` line, or EventSource does not fire it.
    let opening = stream::iter([COMMENT.to_owned()]);
    let complete = stream::iter(["event: complete\ndata:\n\n".to_owned()]);
    let all = kept_alive(opening.chain(next).chain(complete).boxed());
    let headers = [
        (header::CONTENT_TYPE, Form::Events.content_type()),
        (header::CACHE_CONTROL, "no-cache, no-transform"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(all.map(Ok::<_, Infallible>))).into_response()
}

/// A comment whenever nothing was said for a while.
fn kept_alive(events: BoxStream<'static, String>) -> impl Stream<Item = String> + Send {
    stream::unfold(events, |mut events| async move {
        match tokio::time::timeout(KEEP_ALIVE, events.next()).await {
            Ok(event) => event.map(|event| (event, events)),
            Err(_) => Some((COMMENT.to_owned(), events)),
        }
    })
}
