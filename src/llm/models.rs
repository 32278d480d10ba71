//! The models of this server, and which of them may write a tenant's replies, in which order. Must not ask any.

use std::sync::Arc;

use secrecy::SecretString;

use crate::{
    kernel::{clock::Clock, vocabulary::ModelProvider},
    llm::{
        BuiltIn, ModelSettings, Pace, Provider,
        breaker::Breaker,
        line::{Line, Place},
        remote::{self, Remote},
    },
};

/// The models of this server.
pub struct Models {
    settings: ModelSettings,
    client: genai::Client,
    pace: Pace,
    open_ai: Arc<Breaker>,
    gemini: Arc<Breaker>,
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
        let breaker = || Arc::new(Breaker::new(clock.clone()));
        let (open_ai, gemini) = (breaker(), breaker());
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
    pub fn line(&self, wish: &Wish) -> Arc<Line> {
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
            places.push(Place { provider: None, breaker: None, model: Arc::new(BuiltIn) });
        }
        Arc::new(Line::new(self.pace.clone(), places))
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
        Some(Place { provider: Some(provider), breaker: is_common.then(|| self.breaker(provider).clone()), model })
    }

    fn breaker(&self, provider: Provider) -> &Arc<Breaker> {
        match provider {
            Provider::OpenAi => &self.open_ai,
            Provider::Gemini => &self.gemini,
        }
    }
}
