//! GraphQL over HTTP. Every choice of a status stands in this file. Must not know what an operation means.

use std::sync::Arc;

use async_graphql::{Response as Answer, parser::types::OperationType};
use async_graphql_axum::GraphQLResponse;
use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    context::RequestId,
    graph::is_request_error,
    http::{
        Web, admission,
        body::{self, BadRequest},
        caller::Proof,
        intake,
        negotiate::{self, Form},
        sse,
    },
    kernel::failure::ErrorCode,
};

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
pub(super) async fn stream(
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
        let message = "Accept `application/graphql-response+json`, `application/json` or `text/event-stream`.";
        return refuse(StatusCode::NOT_ACCEPTABLE, message, Form::Json, &id);
    };
    let read = if parts.method == Method::GET {
        body::from_get(&parts.headers, parts.uri.query().unwrap_or_default())
    } else {
        match intake::read(&parts.headers, body, web.settings.listen.body).await {
            Ok(bytes) => body::from_post(&parts.headers, &bytes),
            Err(refused) => Err(refused),
        }
    };
    let request = match read {
        Ok(request) => request,
        Err(BadRequest { status, message }) if status == StatusCode::PAYLOAD_TOO_LARGE => {
            return coded(status, ErrorCode::QueryTooComplex, message, form, &id);
        }
        Err(BadRequest { status, message }) => return refuse(status, message, form, &id),
    };
    let proof = Proof::from_headers(&web, &parts.headers, &parts.extensions);
    let checked = match web.graph.check(request) {
        Ok(checked) => checked,
        Err(rejection) => {
            if let Err(refusal) = admission::admit(&web, &proof, 1).await {
                return too_fast(&web.graph.refused(&refusal, &id.0), form);
            }
            let answer = web.graph.rejected(rejection, &id.0);
            return if form == Form::Events { sse::once(answer) } else { respond(answer, form) };
        }
    };
    if parts.method == Method::GET && checked.kind == OperationType::Mutation {
        let message = "Mutations are sent by POST.";
        return allow(refuse(StatusCode::METHOD_NOT_ALLOWED, message, form, &id), "POST");
    }
    let admitted = admission::admit(&web, &proof, checked.cost).await;
    let opened = admitted.and_then(|()| (form == Form::Events).then(|| admission::open(&web, &proof)).transpose());
    let open = match opened {
        Ok(open) => open,
        Err(refusal) => return too_fast(&web.graph.refused(&refusal, &id.0), form),
    };
    let cx = proof.resolve(&web, id.clone()).await;
    if let Some(open) = open {
        let answers = web.graph.stream(checked, cx);
        return sse::respond(web, proof, answers, open);
    }
    if checked.kind == OperationType::Subscription {
        let message = "Subscriptions need `Accept: text/event-stream`, or the WebSocket at /graphql/ws.";
        return refuse(StatusCode::BAD_REQUEST, message, form, &id);
    }
    respond(web.graph.execute(checked, cx).await, form)
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
    let mut response = shaped(StatusCode::TOO_MANY_REQUESTS, &json!({ "errors": answer.errors }), plain(form));
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
        async_graphql::Value::Number(seconds) => seconds.as_u64(),
        _ => None,
    });
    asked.max()
}

fn in_form(answer: Answer, form: Form) -> Response {
    if !is_request_error(&answer) {
        // Executed, whatever came of its fields: 200 in both forms.
        let mut response = GraphQLResponse::from(answer).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
        return response;
    }
    let status = if form == Form::Json { StatusCode::OK } else { status_of(&answer) };
    // Nothing was executed, so there is no `data` to speak of.
    shaped(status, &json!({ "errors": answer.errors }), form)
}

fn status_of(answer: &Answer) -> StatusCode {
    let code = answer.errors.first().and_then(|error| error.extensions.as_ref()?.get("code").cloned());
    match code {
        Some(async_graphql::Value::String(code)) => match code.as_str() {
            "UNAUTHENTICATED" => StatusCode::UNAUTHORIZED,
            "FORBIDDEN" | "TENANT_INACTIVE" | "TENANT_REQUIRED" => StatusCode::FORBIDDEN,
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
    coded(status, ErrorCode::BadUserInput, message, form, id)
}

fn coded(status: StatusCode, code: ErrorCode, message: &str, form: Form, id: &RequestId) -> Response {
    let extensions = json!({ "code": code.as_str(), "requestId": &*id.0 });
    shaped(status, &json!({ "errors": [{ "message": message, "extensions": extensions }] }), plain(form))
}

/// Before a stream begins, errors are plain JSON.
fn plain(form: Form) -> Form {
    if form == Form::Events { Form::Json } else { form }
}

fn shaped(status: StatusCode, body: &serde_json::Value, form: Form) -> Response {
    (status, [(header::CONTENT_TYPE, form.content_type())], body.to_string()).into_response()
}

fn allow(mut response: Response, methods: &'static str) -> Response {
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    response
}
