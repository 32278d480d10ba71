//! Faults outside GraphQL, in one JSON shape: `application/problem+json` (RFC 9457).

use std::any::Any;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

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
    let text = cause.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| cause.downcast_ref().cloned());
    tracing::error!(panic = text.unwrap_or_default(), "a handler panicked");
    problem(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong on our side.")
}
