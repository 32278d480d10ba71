//! How long a model may take. Wraps any stream; must not know whose.

use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use crate::{
    kernel::failure::ErrorCode,
    llm::{Delta, ModelError},
};

/// Limits on waiting.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until the first piece of text.
    pub first_token: Duration,
    /// Between two pieces.
    pub silence: Duration,
    /// For the whole reply.
    pub whole: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { first_token: Duration::from_secs(30), silence: Duration::from_secs(30), whole: Duration::from_mins(5) }
    }
}

/// Ends `pieces` with an error when it keeps its reader waiting too long, and when it stops without an end.
pub fn patiently<S>(pieces: S, patience: Patience) -> impl Stream<Item = Result<Delta, ModelError>> + Send
where
    S: Stream<Item = Result<Delta, ModelError>> + Send + Unpin,
{
    let begun = Instant::now();
    let state = Some((pieces, begun + patience.first_token));
    stream::unfold(state, move |state| async move {
        let (mut pieces, until) = state?;
        let until = until.min(begun + patience.whole);
        match timeout_at(until, pieces.next()).await {
            Ok(Some(Ok(Delta::End { finish, usage }))) => Some((Ok(Delta::End { finish, usage }), None)),
            Ok(Some(Ok(text))) => Some((Ok(text), Some((pieces, Instant::now() + patience.silence)))),
            Ok(Some(Err(error))) => Some((Err(error), None)),
            Ok(None) => {
                let cut = ModelError::new(
                    ErrorCode::UpstreamUnavailable,
                    "The answer broke off. What was written is kept; send the message again for a new answer.",
                    "the stream ended without a finish reason",
                );
                Some((Err(cut), None))
            }
            Err(_) => {
                let late = ModelError::new(
                    ErrorCode::UpstreamUnavailable,
                    "The answer took too long. Try again in a moment.",
                    "the model kept us waiting",
                );
                Some((Err(late), None))
            }
        }
    })
}
