//! How long a model may take. Wraps any stream; must not know whose.

use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use crate::llm::{Delta, ModelError, Sign};

/// Limits on waiting.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until the first sign of life, of each try.
    pub first_sign: Duration,
    /// Between two signs of life.
    pub silence: Duration,
    /// For the tokens that it used, once a model has said why it ends behind what it said: a reply is whole without them.
    pub usage: Duration,
    /// For the whole reply: every try, every round of tools and every wait between them.
    pub whole: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first_sign: Duration::from_secs(30),
            silence: Duration::from_secs(30),
            usage: Duration::from_secs(2),
            whole: Duration::from_mins(5),
        }
    }
}

/// The pieces among `signs`. Ends them with an error when their model gives no sign of life for too long or is not done by
/// `deadline`, and when it stops without an end.
pub fn patiently<S>(
    signs: S,
    patience: Patience,
    deadline: Instant,
) -> impl Stream<Item = Result<Delta, ModelError>> + Send
where
    S: Stream<Item = Result<Sign, ModelError>> + Send + Unpin,
{
    let state = Some((signs, Instant::now() + patience.first_sign, false));
    stream::unfold(state, move |state| async move {
        let (mut signs, mut until, mut is_alive) = state?;
        loop {
            let error = match timeout_at(until.min(deadline), signs.next()).await {
                Ok(Some(Ok(sign))) => {
                    (until, is_alive) = (Instant::now() + patience.silence, true);
                    match sign {
                        Sign::Life => continue,
                        Sign::Piece(end @ Delta::End { .. }) => return Some((Ok(end), None)),
                        Sign::Piece(piece) => return Some((Ok(piece), Some((signs, until, is_alive)))),
                    }
                }
                Ok(Some(Err(error))) => error,
                Ok(None) => ModelError::cut("the stream ended without a finish reason"),
                Err(_) if is_alive => ModelError::slow("the model was at work, and kept us waiting"),
                Err(_) => ModelError::late("the model kept us waiting"),
            };
            return Some((Err(error), None));
        }
    })
}

#[cfg(test)]
mod tests {
    use futures_util::stream::BoxStream;

    use super::*;
    use crate::{kernel::vocabulary::ReplyFailure, llm::failure::Standing};

    /// What comes, each so many seconds after the one before; then nothing more.
    fn after(signs: Vec<(u64, Sign)>) -> BoxStream<'static, Result<Sign, ModelError>> {
        let signs = stream::iter(signs).then(|(seconds, sign)| async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Ok(sign)
        });
        signs.chain(stream::pending()).boxed()
    }

    fn text() -> Delta {
        Delta::Text("Hi.".to_owned())
    }

    /// Texts that were told, after how many seconds it was over, and how.
    async fn over(signs: Vec<(u64, Sign)>) -> (usize, u64, ReplyFailure, Standing) {
        let (begin, patience) = (Instant::now(), Patience::default());
        let mut pieces = patiently(after(signs), patience, begin + patience.whole).collect::<Vec<_>>().await;
        let error = pieces.pop().and_then(Result::err).expect("it is never whole");
        assert!(pieces.iter().all(|piece| piece.as_ref().is_ok_and(|piece| *piece == text())));
        (pieces.len(), begin.elapsed().as_secs(), error.cause, error.standing)
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_alive_has_as_long_as_the_whole_reply() {
        let (timed_out, piece) = (ReplyFailure::TimedOut, || Sign::Piece(text()));
        assert_eq!(over(Vec::new()).await, (0, 30, timed_out, Standing::Down));
        assert_eq!(over(vec![(29, Sign::Life)]).await, (0, 59, timed_out, Standing::Unsaid));
        let thoughts = vec![(29, Sign::Life); 8];
        assert_eq!(over([thoughts, vec![(29, piece())]].concat()).await, (1, 291, timed_out, Standing::Unsaid));
        assert_eq!(over(vec![(29, Sign::Life); 20]).await, (0, 300, timed_out, Standing::Unsaid));
        assert_eq!(over(vec![(1, piece()), (1, piece())]).await, (2, 32, timed_out, Standing::Unsaid));
    }
}
