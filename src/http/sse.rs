//! GraphQL over SSE, distinct connections: `next` events, one `complete`, comments to keep the line alive. Leaving ends the
//! subscription, and nothing else.

use std::{convert::Infallible, sync::Arc, time::Duration};

use async_graphql::{Response as Answer, ServerError};
use axum::{
    http::{HeaderName, HeaderValue, header},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{
    Stream, StreamExt,
    future::Either,
    stream::{self, BoxStream},
};
use serde_json::json;

use crate::{
    graph::is_request_error,
    http::{Web, caller::Proof, negotiate::Form, watch},
};

const KEEP_ALIVE: Duration = Duration::from_secs(12);

/// One answer as a stream.
pub(super) fn once(answer: Answer) -> Response {
    events(stream::iter([answer]))
}

/// An operation's answers, as they come; cut when its caller may no longer be served, or the server goes down.
pub(super) fn respond(web: Arc<Web>, proof: Proof, answers: BoxStream<'static, Answer>) -> Response {
    let closing = web.closing.clone().cancelled_owned();
    let cut = Box::pin(async move {
        let revoked = std::pin::pin!(watch::until_revoked(&web, &proof));
        match futures_util::future::select(revoked, std::pin::pin!(closing)).await {
            Either::Left((refusal, _)) => Some(Answer::from_errors(vec![revoked_error(&refusal)])),
            Either::Right(_) => None,
        }
    });
    let state = Some((answers, cut));
    events(stream::unfold(state, |state| async move {
        let (mut answers, cut) = state?;
        match futures_util::future::select(answers.next(), cut).await {
            Either::Left((Some(answer), cut)) => Some((answer, Some((answers, cut)))),
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
    // A comment at once: it flushes the headers through browsers and proxies that wait for a body.
    let opening = stream::iter([Event::default().comment("")]);
    let next = answers.map(|answer| {
        let body = if is_request_error(&answer) { json!({ "errors": answer.errors }) } else { json!(answer) };
        Event::default().event("next").data(body.to_string())
    });
    let complete = stream::iter([Event::default().event("complete").data("")]);
    let all = opening.chain(next).chain(complete).map(Ok::<_, Infallible>);
    let mut response = Sse::new(all).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("")).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(Form::Events.content_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}
