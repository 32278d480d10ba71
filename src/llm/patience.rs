//! How long a model may take. Wraps any stream; must not know whose.

use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use crate::llm::{Delta, ModelError};

/// Limits on waiting.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until the first piece of text, of each try.
    pub first_token: Duration,
    /// Between two pieces.
    pub silence: Duration,
    /// For the whole reply: every try, every round of tools and every wait between them.
    pub whole: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { first_token: Duration::from_secs(30), silence: Duration::from_secs(30), whole: Duration::from_mins(5) }
    }
}

/// Ends `pieces` with an error when it keeps its reader waiting too long or past `deadline`, and when it stops without an
/// end.
pub fn patiently<S>(
    pieces: S,
    patience: Patience,
    deadline: Instant,
) -> impl Stream<Item = Result<Delta, ModelError>> + Send
where
    S: Stream<Item = Result<Delta, ModelError>> + Send + Unpin,
{
    let state = Some((pieces, Instant::now() + patience.first_token));
    stream::unfold(state, move |state| async move {
        let (mut pieces, until) = state?;
        match timeout_at(until.min(deadline), pieces.next()).await {
            Ok(Some(Ok(end @ Delta::End { .. }))) => Some((Ok(end), None)),
            Ok(Some(Ok(piece))) => Some((Ok(piece), Some((pieces, Instant::now() + patience.silence)))),
            Ok(Some(Err(error))) => Some((Err(error), None)),
            Ok(None) => Some((Err(ModelError::cut("the stream ended without a finish reason")), None)),
            Err(_) => Some((Err(ModelError::late("the model kept us waiting")), None)),
        }
    })
}
