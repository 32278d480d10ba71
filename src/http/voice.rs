//! The routes of an assistant on the phone: its variables when a call begins, its tools, and what became of the call. A caller
//! waits at the other end: whatever goes wrong, the assistant gets a sentence to say, in time. Must not know what a tool does.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::Value;

use crate::{
    channels::{
        delivery::Rejection,
        jackrabbit::Language,
        telnyx::calls::{Asked, CallEvent, Claim},
    },
    context::RequestId,
    domain::calls::{Clues, Heard, Wanted},
    http::{
        Web,
        intake::Posted,
        problem,
        webhooks::{answer, rejected, telnyx_signature, text},
    },
    kernel::{failure::Failure, task},
    tools::voice::{self, Deadline, Service},
};

/// Longest name of a call.
const CALL_MAX: usize = 255;

/// How long an assistant on the phone is kept waiting.
#[derive(Debug, Clone, Copy)]
pub struct VoicePatience {
    /// For its variables, when a call begins: Telnyx gives up after a second and a half, and once did after one.
    pub greeting: Duration,
    /// For a tool.
    pub tool: Duration,
}

impl Default for VoicePatience {
    fn default() -> Self {
        Self { greeting: Duration::from_millis(900), tool: Duration::from_secs(4) }
    }
}

/// `POST /api/v1/telnyx/ai-call-complete`: events in JSON, and TeXML's forms.
pub(super) async fn call_complete(
    State(web): State<Arc<Web>>,
    Extension(id): Extension<RequestId>,
    Posted { parts, body }: Posted,
) -> Response {
    let wanted = Wanted::of(parts.uri.query());
    let taken = web.inbox(id).call(&body, wanted, &telnyx_signature(&parts.headers)).await;
    answer(taken, || StatusCode::OK.into_response())
}

/// `POST /api/v1/telnyx/dynamic-variables`.
pub(super) async fn dynamic_variables(
    State(web): State<Arc<Web>>,
    Extension(id): Extension<RequestId>,
    Posted { parts, body }: Posted,
) -> Response {
    let claim = match Claim::event(&body) {
        Ok(claim) if claim.content().kind == "assistant.initialization" => claim,
        Ok(_) => return rejected(Rejection::Unreadable("The event must be `assistant.initialization`.")),
        Err(rejection) => return rejected(rejection),
    };
    let greeted = greeted(&web, id, &parts.headers, Wanted::of(parts.uri.query()), claim);
    match tokio::time::timeout(web.settings.voice.greeting, greeted).await {
        Ok(response) => response,
        Err(_) => late("dynamic-variables", voice::no_greeting()),
    }
}

async fn greeted(web: &Web, id: RequestId, headers: &HeaderMap, wanted: Wanted, claim: Claim<CallEvent>) -> Response {
    let inbox = web.inbox(id);
    let clues = Clues::of(claim.content(), wanted);
    let heard = inbox.hear(claim, &clues, &telnyx_signature(headers)).await;
    let (door, event) = match heard {
        Ok(Ok(Heard::Of(door, event))) if door.is_open => (door, event),
        Ok(Ok(_)) => return Json(voice::no_greeting()).into_response(),
        Ok(Err(rejection)) => return rejected(rejection),
        Err(failure) => return faulty("dynamic-variables", &failure, voice::no_greeting()),
    };
    match voice::greeting(&inbox.behind(&door), event.content()).await {
        Ok(variables) => Json(variables).into_response(),
        Err(failure) => faulty("dynamic-variables", &failure, voice::no_greeting()),
    }
}

/// `POST /api/v1/telnyx/tools/{tool}`.
pub(super) async fn tool(
    State(web): State<Arc<Web>>,
    Extension(id): Extension<RequestId>,
    Path(name): Path<String>,
    Posted { parts, body }: Posted,
) -> Response {
    let Some(service) = Service::at(&name) else { return problem::no_such_route().await };
    let claim = match Claim::asked(&body) {
        Ok(claim) => claim,
        Err(rejection) => return rejected(rejection),
    };
    let (language, patience) = (voice::language(claim.content()), web.settings.voice.tool);
    let wanted = Wanted::of(parts.uri.query());
    let deadline = Deadline::of(patience);
    let served = served(web, id, service, parts.headers, wanted, claim, deadline);
    // What only looks goes on when its time is over: what it fetched is there when the assistant asks again.
    let response = if service.only_looks() {
        tokio::time::timeout(patience, task::spawn(served)).await.map(|response| {
            response.unwrap_or_else(|_| problem::problem(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong."))
        })
    } else {
        tokio::time::timeout(patience, served).await
    };
    response.unwrap_or_else(|_| late(service.path(), sorry(language)))
}

async fn served(
    web: Arc<Web>,
    id: RequestId,
    service: Service,
    headers: HeaderMap,
    wanted: Wanted,
    claim: Claim<Asked>,
    deadline: Deadline,
) -> Response {
    let language = voice::language(claim.content());
    let call = text(&headers, "x-telnyx-call-control-id").filter(|name| !name.is_empty() && name.len() <= CALL_MAX);
    let inbox = web.inbox(id);
    let clues = Clues::of_tool(call, claim.content(), wanted);
    let heard = inbox.hear(claim, &clues, &telnyx_signature(&headers)).await;
    let (door, asked) = match heard {
        Ok(Ok(Heard::Of(door, asked))) if door.is_open => (door, asked),
        Ok(Ok(_)) => {
            return Json(voice::refused("This call can't be served.", voice::nobody(language))).into_response();
        }
        Ok(Err(rejection)) => return rejected(rejection),
        Err(failure) => return faulty(service.path(), &failure, sorry(language)),
    };
    let request = voice::Request { service, call, asked: asked.content(), deadline };
    match voice::serve(&inbox.behind(&door), &request).await {
        Ok(told) => Json(told).into_response(),
        Err(failure) => faulty(service.path(), &failure, sorry(language)),
    }
}

fn sorry(language: Language) -> Value {
    voice::refused("This did not work just now.", voice::failed(language))
}

fn late(route: &str, told: Value) -> Response {
    tracing::warn!(route, "an assistant on the phone was kept waiting for too long");
    Json(told).into_response()
}

/// A fault of ours is no reason for silence on the line.
fn faulty(route: &str, failure: &Failure, told: Value) -> Response {
    match failure {
        Failure::Fault(error) => {
            tracing::error!(route, error = %format!("{error:#}"), "an assistant on the phone could not be served");
        }
        Failure::Refused(refusal) => {
            tracing::warn!(route, code = refusal.code.as_str(), "an assistant on the phone could not be served");
        }
    }
    Json(told).into_response()
}
