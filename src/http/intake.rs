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
    body::{BODY_MAX, BadRequest},
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
/// 413 for one over the limit, 408 for one that does not arrive.
pub(super) async fn read(headers: &HeaderMap, body: Body, patience: Duration) -> Result<Bytes, BadRequest> {
    let too_large = BadRequest {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        message: "The body is larger than the limit of 1 MiB. Send less at once.".into(),
    };
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > BODY_HEARD) {
        return Err(too_large);
    }
    let slow = BadRequest { status: StatusCode::REQUEST_TIMEOUT, message: "The body took too long to arrive.".into() };
    match tokio::time::timeout(patience, heard(body)).await {
        Ok(read) => read.ok_or(too_large),
        Err(_) => Err(slow),
    }
}

/// A body within the limit. What is over it is listened to for a while and thrown away: to answer while the client still
/// writes would break the connection, and the answer with it.
async fn heard(body: Body) -> Option<Bytes> {
    let (mut kept, mut length) = (Vec::new(), 0);
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.ok()?;
        length += piece.len();
        if length > BODY_HEARD {
            return None;
        }
        if length <= BODY_MAX {
            kept.extend_from_slice(&piece);
        } else {
            kept = Vec::new();
        }
    }
    (length <= BODY_MAX).then(|| kept.into())
}
