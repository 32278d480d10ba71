//! A resolver that panics ends its own operation and nothing else: the socket that it came over, and what else runs there, go
//! on. Must not be relied upon for errors that can be expected.

use std::{any::Any, panic::AssertUnwindSafe};

use async_graphql::Response;
use futures_util::{FutureExt, Stream, StreamExt};

use crate::{
    graph::error,
    kernel::{
        failure::{ErrorCode, Refusal},
        task,
    },
};

/// The answer of `work`, or that it went wrong on our side.
pub(super) async fn answered(work: impl Future<Output = Response>) -> Response {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| broken(&*panic))
}

/// The answers of `work`; the last of them says so if it went wrong on our side.
pub(super) fn streamed(work: impl Stream<Item = Response>) -> impl Stream<Item = Response> {
    AssertUnwindSafe(work).catch_unwind().map(|answer| answer.unwrap_or_else(|panic| broken(&*panic)))
}

fn broken(panic: &(dyn Any + Send)) -> Response {
    tracing::error!(panic = task::words(panic), "a resolver panicked");
    Response::from_errors(vec![error::refused(&Refusal::new(ErrorCode::Internal, error::OURS), None)])
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn said(answer: &Response) -> String {
        let code = answer.errors.first().and_then(|error| error.extensions.as_ref()?.get("code").cloned());
        code.map_or_else(|| "ok".to_owned(), |code| code.to_string())
    }

    #[tokio::test]
    async fn what_panics_is_answered_without_its_words() {
        assert_eq!(said(&answered(async { Response::default() }).await), "ok");
        let answer = answered(async { panic!("a canary") }).await;
        assert_eq!(said(&answer), "\"INTERNAL\"");
        assert!(!format!("{answer:?}").contains("canary"));
    }

    #[tokio::test]
    async fn a_stream_that_panics_says_so_and_ends() {
        let mut left = 2;
        let events = stream::repeat_with(move || {
            left -= 1;
            assert!(left > 0, "a canary");
            Response::default()
        });
        let all: Vec<_> = streamed(events).map(|answer| said(&answer)).collect().await;
        assert_eq!(all, ["ok", "\"INTERNAL\""]);
    }
}
