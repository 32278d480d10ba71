//! The routes that phone providers post to. Each answers at once, in the provider's form: what was kept is worked on later.
//! Must not know tenants.

use std::sync::Arc;

use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    channels::{delivery::Rejection, telnyx, twilio},
    context::RequestId,
    domain::inbox::{Inbox, Taken},
    http::{Web, intake::Posted, problem::problem},
    kernel::failure::{Failure, Outcome},
};

/// What Twilio is told: there is nothing to send at once. Plain text would go to the customer.
const TWIML: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#;

/// `POST /api/v1/telnyx/sms`.
pub(super) async fn telnyx_sms(
    State(web): State<Arc<Web>>,
    Extension(id): Extension<RequestId>,
    Posted { parts, body }: Posted,
) -> Response {
    answer(web.inbox(id).telnyx(&body, &telnyx_signature(&parts.headers)).await, || StatusCode::OK.into_response())
}

/// `POST`, or `GET`, `/api/v1/twilio/sms`.
pub(super) async fn twilio_sms(
    State(web): State<Arc<Web>>,
    Extension(id): Extension<RequestId>,
    Posted { parts, body }: Posted,
) -> Response {
    let signature = twilio::Signature {
        signature: text(&parts.headers, "x-twilio-signature"),
        settings: text(&parts.headers, "x-twilio-webhooks-signature-settings"),
    };
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let sent = if parts.method == Method::GET {
        (twilio::Way::Query, parts.uri.query().unwrap_or_default().as_bytes())
    } else if text(&parts.headers, "content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        (twilio::Way::Json, &body[..])
    } else {
        (twilio::Way::Form, &body[..])
    };
    answer(web.inbox(id).twilio(path, sent, &signature).await, || {
        ([(header::CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"))], TWIML).into_response()
    })
}

/// Good only for what is kept: a provider that hears anything else tries again.
pub(super) fn answer(taken: Outcome<Taken>, good: impl FnOnce() -> Response) -> Response {
    match taken {
        Ok(Taken::Kept | Taken::KnownAlready | Taken::Quarantined) => good(),
        Ok(Taken::Rejected(rejection)) => rejected(rejection),
        Err(failure) => {
            if let Failure::Fault(error) = failure {
                tracing::error!(error = %format!("{error:#}"), "a webhook could not be kept");
            }
            problem(StatusCode::SERVICE_UNAVAILABLE, "This can't be kept right now. Try again in a moment.")
        }
    }
}

/// A post that is not taken.
pub(super) fn rejected(rejection: Rejection) -> Response {
    match rejection {
        Rejection::Unreadable(why) => problem(StatusCode::BAD_REQUEST, why),
        Rejection::Unsigned(why) => {
            tracing::warn!(why, "a webhook whose signature does not hold");
            problem(StatusCode::FORBIDDEN, why)
        }
    }
}

pub(super) fn telnyx_signature(headers: &HeaderMap) -> telnyx::Signature<'_> {
    telnyx::Signature {
        signature: text(headers, "telnyx-signature-ed25519"),
        timestamp: text(headers, "telnyx-timestamp"),
    }
}

pub(super) fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

impl Web {
    pub(super) fn inbox(&self, request: RequestId) -> Inbox<'_> {
        Inbox { services: &self.services, settings: &self.settings.inbox, request }
    }
}
