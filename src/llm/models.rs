//! Which models may write a reply, in which order, and what is done when one can't: it is asked again, or the next one is.
//! Only before the first piece: what a customer has begun to read, nobody else ends.

use std::sync::{Arc, OnceLock};

use futures_util::{
    StreamExt,
    future::ready,
    stream::{self, BoxStream},
};
use secrecy::SecretString;
use tokio::time::{Instant, timeout_at};

use crate::{
    kernel::{clock::Clock, vocabulary::ModelProvider},
    llm::{
        BuiltIn, ChatModel, Delta, ModelError, ModelRequest, ModelSettings, Pace, Patience, Provider,
        breaker::Breaker,
        call, patiently,
        remote::{self, Remote},
    },
};

pub(super) type Pieces = BoxStream<'static, Result<Delta, ModelError>>;

/// The models of this server.
pub struct Models {
    settings: ModelSettings,
    client: genai::Client,
    pace: Pace,
    open_ai: Breaker,
    gemini: Breaker,
}

/// Whom a tenant wishes to write its replies.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Which provider.
    pub provider: ModelProvider,
    /// Which of its models; `None` for the platform's choice.
    pub model: Option<String>,
    /// The tenant's own key for it; `None` for the platform's.
    pub key: Option<SecretString>,
    /// Whether others may write in its stead when it can't.
    pub allow_fallback: bool,
    /// Most tokens that it may write; `None` leaves it to the provider.
    pub max_output: Option<u32>,
}

impl Models {
    /// Calls nobody yet.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(settings: ModelSettings, clock: &Clock, pace: Pace) -> anyhow::Result<Self> {
        let (open_ai, gemini) = (Breaker::new(clock.clone()), Breaker::new(clock.clone()));
        Ok(Self { settings, client: remote::client()?, pace, open_ai, gemini })
    }

    /// Tokens of the past conversation that a model is told.
    #[must_use]
    pub fn context_tokens(&self) -> u32 {
        self.settings.context_tokens
    }

    /// Those who may write one reply: whom the tenant wishes, and where it allows others, the other provider that the
    /// platform has a key for, and at last the built-in responder.
    #[must_use]
    pub fn line(self: &Arc<Self>, wish: &Wish) -> Arc<Line> {
        let chosen = self.chosen(wish.provider);
        let mut places = Vec::new();
        if let Some(provider) = chosen {
            places.extend(self.remote(provider, wish.model.as_ref(), wish.key.as_ref()));
            if wish.allow_fallback {
                let others = [Provider::OpenAi, Provider::Gemini].into_iter().filter(|other| *other != provider);
                places.extend(others.filter_map(|other| self.remote(other, None, None)));
            }
        }
        if chosen.is_none() || wish.allow_fallback {
            places.push(Place { provider: None, is_common: true, model: Arc::new(BuiltIn) });
        }
        Arc::new(Line { models: self.clone(), places, settled: OnceLock::new() })
    }

    fn chosen(&self, wish: ModelProvider) -> Option<Provider> {
        match wish {
            ModelProvider::Platform => self.settings.default,
            ModelProvider::Openai => Some(Provider::OpenAi),
            ModelProvider::Gemini => Some(Provider::Gemini),
            ModelProvider::BuiltIn => None,
        }
    }

    fn remote(&self, provider: Provider, model: Option<&String>, key: Option<&SecretString>) -> Option<Place> {
        let settings = self.settings.of(provider);
        let is_common = key.is_none() && model.is_none();
        let key = key.or(settings.key.as_ref())?;
        let model = model.unwrap_or(&settings.model).clone();
        let model = Arc::new(Remote::new(self.client.clone(), settings, model, key));
        Some(Place { provider: Some(provider), is_common, model })
    }

    fn breaker(&self, provider: Provider) -> &Breaker {
        match provider {
            Provider::OpenAi => &self.open_ai,
            Provider::Gemini => &self.gemini,
        }
    }
}

/// Those who may write one reply, in order. Once one has begun to, it alone.
pub struct Line {
    models: Arc<Models>,
    places: Vec<Place>,
    settled: OnceLock<usize>,
}

struct Place {
    /// `None` for the built-in responder, which can't fail.
    provider: Option<Provider>,
    /// Asked as everybody's is: by the platform's key, for its own choice of model. What a tenant chose tells nothing of how
    /// others fare, and leaves nobody else out.
    is_common: bool,
    model: Arc<dyn ChatModel>,
}

impl Line {
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
        let breaker = place.provider.filter(|_| place.is_common).map(|provider| self.models.breaker(provider));
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
            let Some(wait) = self.models.pace.before_next(&error, tries) else { return Err(error) };
            if timeout_at(deadline, self.models.pace.sleep(wait)).await.is_err() {
                return Err(ModelError::late("no time was left for another try"));
            }
        }
    }
}
