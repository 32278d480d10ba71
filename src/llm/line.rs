//! A line of models that may write one reply, and what is done when one can't: it is asked again, or the next one is. Only
//! before the first piece: what a customer has begun to read, nobody else ends.

use std::sync::{Arc, OnceLock};

use futures_util::{
    StreamExt,
    future::ready,
    stream::{self, BoxStream},
};
use tokio::time::{Instant, timeout_at};

use crate::llm::{
    ChatModel, Delta, ModelError, ModelRequest, Pace, Patience, Provider, breaker::Breaker, call, patiently,
};

pub(super) type Pieces = BoxStream<'static, Result<Delta, ModelError>>;

/// Those who may write one reply, in order. Once one has begun to, it alone.
pub struct Line {
    pace: Pace,
    places: Vec<Place>,
    settled: OnceLock<usize>,
}

/// Somebody in it.
pub(super) struct Place {
    /// `None` for the built-in responder, which can't fail.
    pub(super) provider: Option<Provider>,
    /// Leaves it out while it is down, where it is asked as everybody's is: by the platform's key, for its own choice of
    /// model. What a tenant chose tells nothing of how others fare, and leaves nobody else out.
    pub(super) breaker: Option<Arc<Breaker>>,
    pub(super) model: Arc<dyn ChatModel>,
}

impl Line {
    pub(super) fn new(pace: Pace, places: Vec<Place>) -> Self {
        Self { pace, places, settled: OnceLock::new() }
    }

    /// The name of the model that writes, or of the one that would have.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.places.get(self.settled.get().copied().unwrap_or(0)).map(|place| place.model.name())
    }

    /// Whether a provider counts what is used; the built-in responder costs nothing.
    #[must_use]
    pub fn is_metered(&self) -> bool {
        self.places.iter().any(|place| place.provider.is_some())
    }

    /// Begins a reply, or another round of one.
    #[must_use]
    pub fn ask(self: &Arc<Self>, request: ModelRequest, patience: Patience, deadline: Instant) -> Pieces {
        let line = self.clone();
        stream::once(async move {
            match line.open(&request, patience, deadline).await {
                Ok(pieces) => pieces,
                Err(error) => stream::once(ready(Err(error))).boxed(),
            }
        })
        .flatten()
        .boxed()
    }

    /// The first who begins. If nobody does, what the first in line said counts.
    async fn open(&self, request: &ModelRequest, patience: Patience, deadline: Instant) -> Result<Pieces, ModelError> {
        let settled = self.settled.get();
        let mut first = None;
        for (at, place) in self.places.iter().enumerate().filter(|(at, _)| settled.is_none_or(|only| only == at)) {
            match self.open_at(place, request, patience, deadline).await {
                Ok(pieces) => {
                    let _ = self.settled.set(at);
                    return Ok(pieces);
                }
                Err(error) => {
                    let is_hopeless = !error.is_elsewhere_better() || Instant::now() >= deadline;
                    first.get_or_insert(error);
                    if is_hopeless {
                        break;
                    }
                }
            }
        }
        Err(first.unwrap_or_else(ModelError::no_key))
    }

    /// The pieces of one model, with the first at hand; asked again as long as that makes sense.
    async fn open_at(
        &self,
        place: &Place,
        request: &ModelRequest,
        patience: Patience,
        deadline: Instant,
    ) -> Result<Pieces, ModelError> {
        let breaker = place.breaker.as_ref();
        let mut tries = 0;
        loop {
            if breaker.is_some_and(|breaker| !breaker.admits()) {
                return Err(ModelError::unreachable("left out: it failed several times running"));
            }
            let mut pieces = call::watched(place.provider, place.model.name(), || {
                patiently(place.model.reply(request.clone()), patience, deadline).boxed()
            });
            let error = match pieces.next().await {
                Some(Ok(piece)) => {
                    if let Some(breaker) = breaker {
                        breaker.answered();
                    }
                    return Ok(stream::once(ready(Ok(piece))).chain(pieces).boxed());
                }
                Some(Err(error)) => error,
                None => ModelError::cut("no word at all"),
            };
            // Let go of before anything else: nobody may want it any more.
            drop(pieces);
            match breaker {
                // Of a reply that ran out of its own time, the provider knows nothing.
                Some(_) if Instant::now() >= deadline => {}
                Some(breaker) if error.is_outage() => breaker.failed(),
                Some(breaker) => breaker.answered(),
                None => {}
            }
            tries += 1;
            tracing::warn!(model = place.model.name(), tries, cause = error.cause.as_str(), detail = %error.detail, "a model did not begin");
            let Some(wait) = self.pace.before_next(&error, tries) else { return Err(error) };
            if timeout_at(deadline, self.pace.sleep(wait)).await.is_err() {
                return Err(ModelError::late("no time was left for another try"));
            }
        }
    }
}
