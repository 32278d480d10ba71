//! Request ids: taken from the client where it sends a sane one, made otherwise, given back in the answer, and in every log
//! line between.

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use tracing::Instrument;
use uuid::Uuid;

use crate::context::RequestId;

pub(super) const HEADER: &str = "x-request-id";

/// Marks a request and its answer, and logs it once.
pub(super) async fn mark(mut request: Request, next: Next) -> Response {
    let id = request
        .headers()
        .get(HEADER)
        .and_then(|value| value.to_str().ok())
        .filter(|text| is_sane(text))
        .map_or_else(fresh, |text| RequestId(text.into()));
    request.extensions_mut().insert(id.clone());
    let span = tracing::info_span!("request", id = %id.0, method = %request.method(), path = %request.uri().path());
    let mut response = next.run(request).instrument(span.clone()).await;
    span.in_scope(|| tracing::info!(status = response.status().as_u16(), "answered"));
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(HeaderName::from_static(HEADER), value);
    }
    response
}

/// A new id, for what begins with no request of its own: an operation on a socket.
pub(super) fn fresh() -> RequestId {
    RequestId(Uuid::now_v7().to_string().into())
}

fn is_sane(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}
