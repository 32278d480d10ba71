//! What clients see of errors: a sentence, a code, the argument at fault, the request's id. Must let nothing else out.

use async_graphql::{ErrorExtensionValues, Pos, Response, ServerError};

use crate::kernel::failure::{ErrorCode, Failure, Refusal};

/// Longest message of an error, in characters.
const MESSAGE_MAX: usize = 500;
pub(super) const OURS: &str = "Something went wrong on our side. Try again; if it stays, tell us the requestId.";

impl From<Failure> for async_graphql::Error {
    fn from(failure: Failure) -> Self {
        let refusal = match failure {
            Failure::Refused(refusal) => refusal,
            Failure::Fault(error) => {
                tracing::error!(error = %format!("{error:#}"), "a resolver failed");
                Refusal::new(ErrorCode::Internal, OURS)
            }
        };
        let mut error = Self::new(refusal.message.clone());
        error.extensions = Some(extensions(&refusal));
        error
    }
}

impl From<Refusal> for async_graphql::Error {
    fn from(refusal: Refusal) -> Self {
        Failure::Refused(refusal).into()
    }
}

fn extensions(refusal: &Refusal) -> ErrorExtensionValues {
    let mut values = ErrorExtensionValues::default();
    values.set("code", refusal.code.as_str());
    if let Some(field) = refusal.field {
        values.set("field", field);
    }
    if let Some(seconds) = refusal.retry_after {
        values.set("retryAfter", seconds);
    }
    values
}

/// A refusal as an error of the response.
pub(super) fn refused(refusal: &Refusal, pos: Option<Pos>) -> ServerError {
    let mut error = ServerError::new(refusal.message.clone(), pos);
    error.extensions = Some(extensions(refusal));
    error
}

/// Gives every error its code and the request's id, and keeps the list short.
pub(super) fn finish(response: &mut Response, request_id: &str, most: usize) {
    response.errors.truncate(most);
    for error in &mut response.errors {
        let values = error.extensions.get_or_insert_default();
        if values.get("code").is_none() {
            // Ours all carry a code; what has none is the library's word on the document or its variables.
            let code = if error.message.contains("nested too deep") || error.message.contains("too complex") {
                ErrorCode::QueryTooComplex
            } else {
                ErrorCode::BadUserInput
            };
            values.set("code", code.as_str());
        }
        values.set("requestId", request_id);
        error.source = None;
        // The library repeats names of the document, however long.
        if let Some((end, _)) = error.message.char_indices().nth(MESSAGE_MAX) {
            error.message.truncate(end);
        }
    }
}
