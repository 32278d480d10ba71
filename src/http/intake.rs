//! Reads a request's body whole, within a limit of size and of time. Must not look at what it says.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::Response,
};
use futures_util::StreamExt;

use crate::http::{
    Web,
    body::{BODY_MAX, BadRequest, bad},
    problem::problem,
};

/// How much of a body over the limit is listened to, in bytes.
const BODY_HEARD: usize = 4 * BODY_MAX;

/// A post of a provider's, whole. What can't be read is answered as a problem.
pub(super) struct Posted {
    pub(super) parts: Parts,
    pub(super) body: Bytes,
}

impl FromRequest<Arc<Web>> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, web: &Arc<Web>) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        match read(&parts.headers, body, web.settings.listen.body).await {
            Ok(body) => Ok(Self { parts, body }),
            Err(refused) => Err(problem(refused.status, &refused.message)),
        }
    }
}

/// Reads a body whole, within a time.
///
/// # Errors
/// 413 for one over the limit, 408 for one that does not arrive, 400 for one that breaks off.
pub(super) async fn read(headers: &HeaderMap, body: Body, patience: Duration) -> Result<Bytes, BadRequest> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > BODY_HEARD) {
        return Err(too_large());
    }
    let slow = BadRequest { status: StatusCode::REQUEST_TIMEOUT, message: "The body took too long to arrive.".into() };
    tokio::time::timeout(patience, heard(body)).await.unwrap_or(Err(slow))
}

/// A body within the limit. What is over it is listened to for a while and thrown away: to answer while the client still
/// writes would break the connection, and the answer with it.
async fn heard(body: Body) -> Result<Bytes, BadRequest> {
    let (mut kept, mut length) = (Vec::new(), 0);
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        // Less than was announced, or no chunks as they should be. Whoever has only stopped writing still hears of it.
        let Ok(piece) = piece else { return Err(bad("The body breaks off before its end. Send it again, whole.")) };
        length += piece.len();
        if length > BODY_HEARD {
            return Err(too_large());
        }
        if length <= BODY_MAX {
            kept.extend_from_slice(&piece);
        } else {
            kept = Vec::new();
        }
    }
    if length <= BODY_MAX { Ok(kept.into()) } else { Err(too_large()) }
}

fn too_large() -> BadRequest {
    BadRequest {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        message: "The body is larger than the limit of 1 MiB. Send less at once.".into(),
    }
}
