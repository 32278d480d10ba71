//! GraphQL over HTTP. Every choice of a status stands in this file. Must not know what an operation means.

use std::sync::Arc;

use async_graphql::{
    Response as Answer,
    Value::{self, Null},
    parser::types::OperationType,
};
use async_graphql_axum::GraphQLResponse;
use axum::{
    Extension,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::json;
use tracing::{Instrument, field::Empty};

use crate::{
    context::RequestId,
    graph::{
        Asked,
        answer::{self, is_request_error},
    },
    http::{
        Web,
        admission::{self, Denied, Why},
        body::{self, BadRequest, Posted},
        caller::Proof,
        intake,
        negotiate::{self, Form},
        stream,
    },
    kernel::failure::{ErrorCode, Refusal},
};

const TAKES_A_STREAM: &str = "Subscriptions need `Accept: text/event-stream` or `multipart/mixed;subscriptionSpec=1.0`, or the \
                              WebSocket at /graphql/ws.";

/// `/graphql`: queries and mutations, and any operation for a client that accepts events.
pub(super) async fn serve(
    State(web): State<Arc<Web>>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> Response {
    let form = negotiate::form(request.headers());
    answer(web, id, request, form).await
}

/// `/graphql/stream`: GraphQL over SSE, also for clients that say nothing of what they accept.
pub(super) async fn events(
    State(web): State<Arc<Web>>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> Response {
    answer(web, id, request, Some(Form::Events)).await
}

async fn answer(web: Arc<Web>, id: RequestId, request: Request, form: Option<Form>) -> Response {
    let (parts, body) = request.into_parts();
    if !body::is_known(&parts.method) {
        return allow(
            refuse(StatusCode::METHOD_NOT_ALLOWED, "The graph is asked by POST or GET.", Form::Json, &id),
            "GET, POST",
        );
    }
    let Some(form) = form else {
        let message = "Accept `application/graphql-response+json`, `application/json`, `text/event-stream` or \
                       `multipart/mixed;subscriptionSpec=1.0`.";
        return refuse(StatusCode::NOT_ACCEPTABLE, message, Form::Json, &id);
    };
    let read = if parts.method == Method::GET {
        body::from_get(&parts.headers, parts.uri.query().unwrap_or_default()).map(Posted::One)
    } else {
        match intake::read(&parts.headers, body, web.settings.listen.body).await {
            Ok(bytes) => body::from_post(&parts.headers, &bytes, web.settings.batch),
            Err(refused) => Err(refused),
        }
    };
    let proof = Proof::from_headers(&web, &parts.headers, &parts.extensions);
    let manner = Manner { form, stream: negotiate::stream(&parts.headers), is_get: parts.method == Method::GET };
    drop(parts);
    match read {
        Ok(Posted::One(asked)) => one(web, id, proof, Ok(asked), manner).await,
        Ok(Posted::Batch(_)) if form.is_stream() => {
            let message = "A batch is answered as JSON: accept `application/json`.";
            refuse(StatusCode::NOT_ACCEPTABLE, message, form, &id)
        }
        // Boxed, so that each request's future is no larger for what few send.
        Ok(Posted::Batch(all)) => Box::pin(batch(&web, &id, &proof, all)).await,
        Err(bad) => one(web, id, proof, Err(bad), manner).await,
    }
}

/// How an operation was asked for.
struct Manner {
    form: Form,
    /// For several answers, if the client takes any.
    stream: Option<Form>,
    is_get: bool,
}

async fn one(
    web: Arc<Web>,
    id: RequestId,
    proof: Proof,
    asked: Result<Asked, BadRequest>,
    Manner { form, stream, is_get }: Manner,
) -> Response {
    let checked = match admission::check(&web, &proof, &id, asked).await {
        Ok(checked) => checked,
        Err(denied) => return deny(denied, form),
    };
    if is_get && checked.writes() {
        let message = "What changes something is sent by POST.";
        return allow(refuse(StatusCode::METHOD_NOT_ALLOWED, message, form, &id), "POST");
    }
    let form = match checked.kind {
        OperationType::Subscription if !form.is_stream() => stream.unwrap_or(form),
        _ => form,
    };
    let open = match form.is_stream().then(|| admission::open(&web, &proof)).transpose() {
        Ok(open) => open,
        Err(refusal) => return deny(admission::too_fast(&web, &id, &refusal), form),
    };
    if open.is_none() && checked.kind == OperationType::Subscription {
        return refuse(StatusCode::BAD_REQUEST, TAKES_A_STREAM, form, &id);
    }
    let cx = proof.resolve(&web, id.clone()).await;
    match open {
        Some(open) => {
            let answers = web.graph.stream(checked, cx);
            stream::respond(web, proof, answers, open, (form, id))
        }
        None => respond(web.graph.execute(checked, cx).await, form),
    }
}

/// Several operations, one after the other, as if each had come by itself. What Apollo's `BatchHttpLink` sends; no specification
/// knows of it, so its answer is plain JSON.
async fn batch(web: &Arc<Web>, id: &RequestId, proof: &Proof, all: Vec<Result<Asked, BadRequest>>) -> Response {
    let mut body = vec![b'['];
    let mut too_fast: Option<Answer> = None;
    for asked in all {
        if body.len() > 1 {
            body.push(b',');
        }
        // Who was told to wait is not asked again, or they would wait for each of the rest.
        if let Some(refused) = &too_fast {
            answer::write(refused, &mut body);
            continue;
        }
        // Each notes its own tenant, not all of them the request's.
        let span = tracing::info_span!("operation", tenant = Empty);
        match part(web, id, proof, asked).instrument(span).await {
            Ok(answer) => answer::write(&answer, &mut body),
            Err(denied) => {
                answer::write(&denied.answer, &mut body);
                too_fast = (denied.why == Why::TooFast).then_some(*denied.answer);
            }
        }
    }
    body.push(b']');
    let mut response = shaped(StatusCode::OK, body, Form::Json);
    say_wait(&mut response, too_fast.as_ref().and_then(wait));
    response
}

/// One operation of a batch.
async fn part(
    web: &Arc<Web>,
    id: &RequestId,
    proof: &Proof,
    asked: Result<Asked, BadRequest>,
) -> Result<Answer, Denied> {
    let checked = admission::check(web, proof, id, asked).await?;
    if checked.kind == OperationType::Subscription {
        let refusal = Refusal::new(ErrorCode::BadUserInput, TAKES_A_STREAM);
        return Ok(web.graph.refused(&refusal, &id.0));
    }
    Ok(web.graph.execute(checked, proof.resolve(web, id.clone()).await).await)
}

/// The answer to an operation that is not run.
fn deny(denied: Denied, form: Form) -> Response {
    match (denied.why, form.is_stream()) {
        (Why::TooFast, _) => too_fast(&denied.answer, form),
        (Why::Unreadable(status), _) => shaped(status, text(&denied.answer), plain(form)),
        // Before there is a stream: urql, which takes the last event of a stream twice, would send the document twice.
        (Why::Missing, true) => shaped(status_of(&denied.answer), text(&denied.answer), plain(form)),
        (Why::Wrong, true) => stream::once(*denied.answer, form),
        (_, false) => respond(*denied.answer, form),
    }
}

/// An answer as the body of a response.
fn text(answer: &Answer) -> Vec<u8> {
    let mut out = Vec::with_capacity(answer::length(answer));
    answer::write(answer, &mut out);
    out
}

/// A body as text. What the graph has to say can always be written as JSON.
pub(super) fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).unwrap_or_default()
}

/// The answer to an operation, in the form that the client takes.
fn respond(answer: Answer, form: Form) -> Response {
    let wait = wait(&answer);
    let mut response = in_form(answer, form);
    say_wait(&mut response, wait);
    response
}

/// The answer to somebody who asks too often. Nothing was even looked at, so the status says it in all forms.
fn too_fast(answer: &Answer, form: Form) -> Response {
    let mut response = shaped(StatusCode::TOO_MANY_REQUESTS, text(answer), plain(form));
    say_wait(&mut response, wait(answer));
    response
}

fn say_wait(response: &mut Response, wait: Option<u64>) {
    if let Some(seconds) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// The longest wait that an error of the answer asks for, in seconds.
fn wait(answer: &Answer) -> Option<u64> {
    let asked = answer.errors.iter().filter_map(|error| match error.extensions.as_ref()?.get("retryAfter")? {
        Value::Number(seconds) => seconds.as_u64(),
        _ => None,
    });
    asked.max()
}

fn in_form(mut answer: Answer, form: Form) -> Response {
    if !is_request_error(&answer) {
        // Executed, whatever came of its fields: 200 in both forms. The headers are those of the library.
        let body = text(&answer);
        answer.data = Null;
        let mut response = GraphQLResponse::from(answer).into_response();
        *response.body_mut() = body.into();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
        return response;
    }
    let status = if form == Form::Json { StatusCode::OK } else { status_of(&answer) };
    shaped(status, text(&answer), form)
}

fn status_of(answer: &Answer) -> StatusCode {
    let code = answer.errors.first().and_then(|error| error.extensions.as_ref()?.get("code").cloned());
    match code {
        Some(Value::String(code)) => match code.as_str() {
            "UNAUTHENTICATED" => StatusCode::UNAUTHORIZED,
            "FORBIDDEN" | "TENANT_INACTIVE" | "TENANT_REQUIRED" | "DOCUMENT_NOT_TRUSTED" => StatusCode::FORBIDDEN,
            "NOT_FOUND" => StatusCode::NOT_FOUND,
            "RATE_LIMITED" | "QUOTA_EXCEEDED" => StatusCode::TOO_MANY_REQUESTS,
            "UPSTREAM_UNAVAILABLE" => StatusCode::SERVICE_UNAVAILABLE,
            "INTERNAL" => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        },
        _ => StatusCode::BAD_REQUEST,
    }
}

/// A request that holds no operation: the status says so in both forms.
fn refuse(status: StatusCode, message: &str, form: Form, id: &RequestId) -> Response {
    let extensions = json!({ "code": ErrorCode::BadUserInput.as_str(), "requestId": &*id.0 });
    let body = json!({ "errors": [{ "message": message, "extensions": extensions }] });
    shaped(status, json(&body), plain(form))
}

/// Before a stream begins, errors are plain JSON.
fn plain(form: Form) -> Form {
    if form.is_stream() { Form::Json } else { form }
}

fn shaped(status: StatusCode, body: impl Into<Body>, form: Form) -> Response {
    (status, [(header::CONTENT_TYPE, form.content_type())], body.into()).into_response()
}

fn allow(mut response: Response, methods: &'static str) -> Response {
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    response
}
