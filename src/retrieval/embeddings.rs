//! Questions as vectors, by OpenAI or whoever speaks like it (`POST /embeddings`). Must not know whose question it is.

use reqwest::header::AUTHORIZATION;
use serde::Deserialize;
use serde_json::json;

use crate::retrieval::{
    EmbeddingSettings, Trouble,
    wire::{self, Wire},
};

const WHO: &str = "the embedding model";

/// A client of one model.
pub(super) struct Embeddings {
    wire: Wire,
    url: String,
    settings: EmbeddingSettings,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Embedding>,
}

#[derive(Deserialize)]
struct Embedding {
    index: usize,
    embedding: Vec<f32>,
}

impl Embeddings {
    pub(super) fn new(wire: Wire, settings: EmbeddingSettings) -> Self {
        Self { wire, url: format!("{}/embeddings", settings.base_url.trim_end_matches('/')), settings }
    }

    /// The vector of a text, which must not be empty.
    pub(super) async fn of(&self, text: &str) -> Result<Vec<f32>, Trouble> {
        let request = self
            .wire
            .client()
            .post(&self.url)
            .header(AUTHORIZATION, wire::header("Bearer ", &self.settings.key)?)
            // Said, since some clients' default on the wire is base64.
            .json(&json!({ "model": self.settings.model, "input": [text], "encoding_format": "float" }));
        let mut answer: Answer = self.wire.ask(WHO, request).await?;
        answer.data.sort_by_key(|embedding| embedding.index);
        let vector = answer.data.into_iter().next().map(|first| first.embedding).unwrap_or_default();
        if vector.is_empty() || !vector.iter().all(|number| number.is_finite()) {
            return Err(Trouble::Garbled(WHO, "no vector"));
        }
        Ok(vector)
    }
}
