//! Faults outside GraphQL, in one JSON shape: `application/problem+json` (RFC 9457).

use std::any::Any;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::kernel::task;

/// A problem with its status and a sentence.
pub(super) fn problem(status: StatusCode, detail: &str) -> Response {
    let body = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Problem"),
        "status": status.as_u16(),
        "detail": detail,
    });
    let mut response = (status, Json(body)).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json; charset=utf-8"));
    response
}

pub(super) async fn no_such_route() -> Response {
    problem(StatusCode::NOT_FOUND, "There is nothing here. The graph is at /graphql, its playground at /graphiql.")
}

pub(super) async fn no_such_method() -> Response {
    problem(StatusCode::METHOD_NOT_ALLOWED, "This path takes another method.")
}

/// A handler panicked: its request ends here, the others go on.
#[expect(clippy::needless_pass_by_value, reason = "the layer asks for this signature")]
pub(super) fn panicked(cause: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!(panic = task::words(&*cause), "a handler panicked");
    problem(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong on our side.")
}

#[cfg(test)]
mod tests {
    use axum::{Router, routing::get};
    use tower_http::catch_panic::CatchPanicLayer;

    use super::*;

    async fn breaks() {
        panic!("a canary");
    }

    #[tokio::test]
    async fn a_handler_that_panics_ends_its_own_request_alone() {
        crate::tokens::install_provider();
        let router = Router::new()
            .route("/breaks", get(breaks))
            .route("/works", get(|| async { "ok" }))
            .layer(CatchPanicLayer::custom(panicked));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        task::spawn(async move { axum::serve(listener, router).await });
        let http = reqwest::Client::new();
        let answer = http.get(format!("{base}/breaks")).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let text = answer.text().await.expect("text");
        assert!(text.contains("Something went wrong on our side.") && !text.contains("canary"), "{text}");
        let answer = http.get(format!("{base}/works")).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
    }
}
