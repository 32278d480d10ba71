//! Request ids: taken from the client where it sends a sane one, made otherwise, given back in the answer, and in every log
//! line between; and the trace that a request begins, or goes on with. Must not look at a body.

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method},
    middleware::Next,
    response::Response,
};
use tracing::{Instrument, Span, field::Empty};
use uuid::Uuid;

use crate::{context::RequestId, kernel::trace};

pub(super) const HEADER: &str = "x-request-id";
const PARENT: &str = "traceparent";
/// Routes that are asked every few seconds, or hold what never changes: they begin no trace.
const UNTRACED: &[&str] = &["/healthz", "/readyz", "/metrics", "/", "/graphiql", "/playground/{asset}"];

/// Marks a request and its answer, and logs it once.
pub(super) async fn mark(mut request: Request, next: Next) -> Response {
    let id = request
        .headers()
        .get(HEADER)
        .and_then(|value| value.to_str().ok())
        .filter(|text| is_sane(text))
        .map_or_else(fresh, |text| RequestId(text.into()));
    request.extensions_mut().insert(id.clone());
    // The template, never the path: that may hold whatever a caller thought of.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("", MatchedPath::as_str);
    let method = known(request.method());
    let span = if UNTRACED.contains(&route) {
        tracing::info_span!("request", request_id = %id.0, http.request.method = method, http.route = route)
    } else {
        traced(&id, method, route, request.headers())
    };
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    if trace::is_traced(&span) {
        span.record("http.response.status_code", status.as_u16());
        trace::ended(&span, status.as_str(), status.is_server_error());
    }
    span.in_scope(|| tracing::info!(status = status.as_u16(), "answered"));
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(HeaderName::from_static(HEADER), value);
    }
    // One layer for all that every answer says: each costs every request a future of its own.
    super::guard(response.headers_mut());
    response
}

fn traced(id: &RequestId, method: &str, route: &str, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!(
        target: trace::ROOT, "request", request_id = %id.0, tenant = Empty, trace_id = Empty,
        http.request.method = method, http.route = route, url.path = Empty, http.response.status_code = Empty,
        otel.name = Empty, otel.kind = Empty, otel.status_code = Empty, error.type = Empty,
    );
    let mut parents = headers.get_all(PARENT).iter();
    let parent = parents.next().filter(|_| parents.next().is_none()).and_then(|value| value.to_str().ok());
    let gap = if route.is_empty() { "" } else { " " };
    // What stands in the place of a template's part is the caller's word.
    trace::begin(&span, format_args!("{method}{gap}{route}"), "server", parent);
    if trace::is_traced(&span) && !route.contains('{') {
        span.record("url.path", route);
    }
    span
}

/// A method by its name, if it is one that everybody knows; else the standard's word for that.
fn known(method: &Method) -> &'static str {
    const KNOWN: &[&str] = &["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "CONNECT", "TRACE"];
    KNOWN.iter().find(|known| **known == method.as_str()).copied().unwrap_or("_OTHER")
}

/// The span of an operation on a socket, whose request was answered long ago.
pub(super) fn on_socket(id: &RequestId) -> Span {
    let span = tracing::info_span!(
        target: trace::ROOT, "request", request_id = %id.0, tenant = Empty, trace_id = Empty,
        http.route = "/graphql/ws", otel.name = Empty, otel.kind = Empty,
    );
    trace::begin(&span, format_args!("WS /graphql/ws"), "server", None);
    span
}

/// A new id, for what begins with no request of its own: an operation on a socket.
pub(super) fn fresh() -> RequestId {
    RequestId(Uuid::now_v7().to_string().into())
}

fn is_sane(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}
