//! The routes that mailboxes need: what Cloud Pub/Sub pushes, and the way back from Google's consent. Must not know tenants.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    channels::google::Unproven,
    context::RequestId,
    domain::{
        mailbox::{self, Arrival},
        pushes::Pushed,
    },
    http::{Web, intake::Posted, problem},
    kernel::failure::{Failure, Outcome},
};

/// Longest query of a way back, in bytes.
const QUERY_MAX: usize = 8_192;

/// `POST /api/v1/email/pubsub`.
pub(super) async fn pushed(
    State(web): State<Arc<Web>>,
    Extension(id): Extension<RequestId>,
    Posted { parts, body }: Posted,
) -> Response {
    answer(web.inbox(id).gmail(&body, authorization(&parts.headers)).await, StatusCode::NO_CONTENT)
}

/// `POST /api/v1/email/pubsub/test`: the same without its envelope and its proof, outside of production.
pub(super) async fn told(
    State(web): State<Arc<Web>>,
    Extension(id): Extension<RequestId>,
    Posted { body, .. }: Posted,
) -> Response {
    if !web.settings.is_development {
        return problem::no_such_route().await;
    }
    answer(web.inbox(id).gmail_unproven(&body).await, StatusCode::BAD_REQUEST)
}

/// Pub/Sub takes any status of 2xx for done, and sends everything else again, for days: so what is of no use is done too.
fn answer(pushed: Outcome<Pushed>, useless: StatusCode) -> Response {
    match pushed {
        Ok(Pushed::Kept) => StatusCode::NO_CONTENT.into_response(),
        Ok(Pushed::Useless) if useless.is_success() => useless.into_response(),
        Ok(Pushed::Useless) => {
            problem::problem(useless, "Send {\"emailAddress\", \"historyId\"} of a mailbox that is connected.")
        }
        Ok(Pushed::Unproven(unproven)) => unbelieved(unproven),
        Err(failure) => {
            if let Failure::Fault(error) = failure {
                tracing::error!(error = %format!("{error:#}"), "a push could not be kept");
            }
            unavailable()
        }
    }
}

fn unbelieved(unproven: Unproven) -> Response {
    match unproven {
        Unproven::NoToken => {
            problem::problem(StatusCode::UNAUTHORIZED, "A push carries the token of its subscription's account.")
        }
        Unproven::Refused(why) => {
            tracing::warn!(why, "a push whose token does not hold");
            problem::problem(StatusCode::FORBIDDEN, "The token is not one of our subscription's account.")
        }
        Unproven::NotSetUp => {
            tracing::warn!("a push, but PUBSUB_SERVICE_ACCOUNT is not set");
            problem::problem(StatusCode::FORBIDDEN, "This server takes no pushes: PUBSUB_SERVICE_ACCOUNT is not set.")
        }
        Unproven::NoKeys => unavailable(),
    }
}

fn unavailable() -> Response {
    problem::problem(StatusCode::SERVICE_UNAVAILABLE, "This can't be kept right now. Try again in a moment.")
}

/// The one `Authorization`; two are none that could be trusted.
fn authorization(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let only = values.next().filter(|_| values.next().is_none())?;
    only.to_str().ok()
}

/// `GET /api/v1/email/oauth/callback`.
pub(super) async fn consented(
    State(web): State<Arc<Web>>,
    Extension(id): Extension<RequestId>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.filter(|query| query.len() <= QUERY_MAX).unwrap_or_default();
    let query: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    match mailbox::finish(&web.services, id, &query).await {
        Ok(Arrival::Back { to: Some(to), .. }) => onward(&to),
        Ok(Arrival::Back { to: None, became }) => page(StatusCode::OK, became.sentence()),
        Ok(Arrival::Lost(refusal)) => page(StatusCode::BAD_REQUEST, &refusal.message),
        Err(Failure::Refused(refusal)) => page(StatusCode::SERVICE_UNAVAILABLE, &refusal.message),
        Err(Failure::Fault(error)) => {
            tracing::error!(error = %format!("{error:#}"), "somebody came back from Google");
            page(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong on our side. Try again in a moment.")
        }
    }
}

fn onward(to: &str) -> Response {
    match HeaderValue::from_str(to) {
        Ok(to) => (StatusCode::SEE_OTHER, [(header::LOCATION, to), unkept()]).into_response(),
        Err(_) => page(StatusCode::OK, "You can close this page."),
    }
}

/// A page for people who have none to go back to. What it says is ours alone.
fn page(status: StatusCode, sentence: &str) -> Response {
    let body = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Mailbox</title><p>{sentence}</p></html>\n"
    );
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    let policy = (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'"));
    (status, [kind, policy, unkept()], body).into_response()
}

/// The address holds a code: nobody keeps the page under it.
fn unkept() -> (header::HeaderName, HeaderValue) {
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
}
