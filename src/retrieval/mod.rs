//! Where passages to answer from are looked for: a tenant with an index of its own at Pinecone is answered from that, every
//! other from its documents, by full-text search. Which, and with what, is read from the tenant's settings at each question;
//! the key is opened for the one call, and no transaction is open while the network is waited for. Must not know models,
//! conversations or GraphQL.

mod embeddings;
mod matches;
mod measure;
mod pinecone;
mod trouble;
mod wire;

use std::{net::SocketAddr, time::Duration};

use secrecy::SecretString;
use tokio::time::{Instant, timeout};
use tracing::{Instrument, field::Empty};

pub use trouble::Trouble;

use crate::{
    context::TenantCx,
    db::tables::{
        knowledge::{self, Passage},
        secrets,
        settings::{self, RetrievalRow},
    },
    domain::settings::{PINECONE_API_KEY, own_namespace},
    kernel::{
        clock::Clock,
        failure::{Failure, Outcome},
        hosts::HostRule,
        metrics::Metrics,
        trace,
        vocabulary::RetrievalProvider,
    },
    secrets::Sealed,
};
use embeddings::Embeddings;
use pinecone::{Index, Pinecone};
use wire::Wire;

/// What retrieval needs of the environment.
#[derive(Debug, Clone)]
pub struct RetrieverSettings {
    /// What turns a question into a vector; none where no key is set.
    pub embeddings: Option<EmbeddingSettings>,
    /// How Pinecone is reached.
    pub pinecone: PineconeSettings,
    /// How long it all may take for one question. Less than a reply's lease lasts without being renewed.
    pub patience: Duration,
}

/// An OpenAI-compatible server of embeddings.
#[derive(Debug, Clone)]
pub struct EmbeddingSettings {
    /// The base URL, version included (`https://api.openai.com/v1`).
    pub base_url: String,
    /// The key.
    pub key: SecretString,
    /// The model's name. Its vectors must be as long as those in the tenants' indexes.
    pub model: String,
}

/// How Pinecone is reached.
#[derive(Debug, Clone)]
pub struct PineconeSettings {
    /// The base URL of its control plane, which knows the host of each index.
    pub controller: String,
    /// The version of its interface that is asked for, such as `2025-04`.
    pub api_version: String,
    /// The project that hosts of the old kind (`index-project.svc.environment`) are of; none to leave that kind alone.
    pub project: Option<String>,
    /// Addresses on loopback that may stand in for an index's host; none in production.
    pub stand_ins: Vec<SocketAddr>,
}

impl PineconeSettings {
    /// The hosts that an index may have.
    #[must_use]
    pub fn hosts(&self) -> HostRule {
        HostRule::new("pinecone.io", self.stand_ins.clone())
    }
}

/// The retrievers of this program.
pub struct Retrieval {
    embeddings: Option<Embeddings>,
    pinecone: Pinecone,
    patience: Duration,
}

/// Where a question is to be looked up, as the tenant's settings say.
enum Place {
    /// It was: the documents are in the same database as the settings.
    Documents(Vec<Passage>),
    /// In an index.
    Index { settings: RetrievalRow, sealed: Option<Sealed> },
}

impl Retrieval {
    /// Makes the clients; calls nobody yet.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(settings: &RetrieverSettings, metrics: &Metrics, clock: Clock) -> anyhow::Result<Self> {
        measure::announce(metrics);
        let wire = Wire::to_operators()?;
        Ok(Self {
            embeddings: settings.embeddings.clone().map(|settings| Embeddings::new(wire.clone(), settings)),
            pinecone: Pinecone::new(wire, Wire::to_tenants()?, settings.pinecone.clone(), clock),
            patience: settings.patience,
        })
    }

    /// The passages that fit a customer's question best, for a reply to it. None if they can't be had: a reply without them
    /// is better than none. Why is in the log and in the metrics.
    pub async fn for_reply(&self, cx: &TenantCx, question: &str, limit: i64) -> Vec<Passage> {
        self.look(cx, question, limit).await.unwrap_or_else(|trouble| {
            if let Trouble::Ours(Failure::Fault(error)) = trouble {
                tracing::error!(error = %format!("{error:#}"), "looking for passages");
            }
            Vec::new()
        })
    }

    /// The same for the tenant's own people, who are told what is wrong.
    ///
    /// # Errors
    /// `UPSTREAM_UNAVAILABLE` with what an administrator can do about it.
    pub async fn search(&self, cx: &TenantCx, question: &str, limit: i64) -> Outcome<Vec<Passage>> {
        Ok(self.look(cx, question, limit).await?)
    }

    async fn look(&self, cx: &TenantCx, question: &str, limit: i64) -> Result<Vec<Passage>, Trouble> {
        let begun = Instant::now();
        let (provider, found) = match place(cx, question, limit).await {
            Ok(Place::Documents(found)) => (measure::BUILT_IN, Ok(found)),
            Ok(Place::Index { settings, sealed }) => {
                let span = tracing::info_span!(
                    target: trace::TARGET, "find passages", otel.kind = "client", db.system = measure::PINECONE,
                    outcome = Empty, otel.status_code = Empty, error.type = Empty,
                );
                let asked = self.ask_index(cx, &settings, sealed, question, limit).instrument(span.clone());
                // Boxed: most look at documents of their own, and would have room for this.
                let found = Box::pin(timeout(self.patience, asked)).await.unwrap_or(Err(Trouble::Late));
                if let Err(trouble) = &found {
                    trace::ended(&span, trouble.outcome(), true);
                }
                (measure::PINECONE, found)
            }
            Err(trouble) => (measure::UNKNOWN, Err(trouble)),
        };
        measure::count(&cx.services().metrics, provider, &found, begun.elapsed());
        // What is ours is logged by whoever asked.
        if let Err(trouble) = &found
            && !matches!(trouble, Trouble::Ours(_))
        {
            tracing::warn!(tenant = %cx.scope().tenant(), provider, %trouble, "no passages could be looked for");
        }
        found
    }

    async fn ask_index(
        &self,
        cx: &TenantCx,
        settings: &RetrievalRow,
        sealed: Option<Sealed>,
        question: &str,
        limit: i64,
    ) -> Result<Vec<Passage>, Trouble> {
        let tenant = cx.scope().tenant();
        let embeddings =
            self.embeddings.as_ref().ok_or(Trouble::Unset("the server has no OPENAI_API_KEY for embeddings"))?;
        let sealed = sealed.ok_or(Trouble::Unset("there is no pineconeApiKey"))?;
        let vector = embeddings.of(question).await?;
        // Opened here, and gone with the call.
        let key = cx.services().secrets.open(tenant, PINECONE_API_KEY, &sealed);
        let index = Index {
            tenant,
            settings,
            namespace: settings.pinecone_namespace.clone().unwrap_or_else(|| own_namespace(tenant)),
            key: key.map_err(|_| Trouble::Unset("the pineconeApiKey does not open; set it again"))?,
        };
        let found = self.pinecone.query(&index, &vector, limit).await?;
        Ok(found.into_iter().filter_map(matches::passage).collect())
    }
}

/// One short read: the settings, and either what the documents say, or the sealed key.
async fn place(cx: &TenantCx, question: &str, limit: i64) -> Result<Place, Trouble> {
    let read = cx.read(async |tx| {
        let settings = settings::retrieval_of_own(tx).await?;
        Ok(match settings.provider {
            RetrievalProvider::BuiltIn => {
                Place::Documents(knowledge::search(tx, settings.language, question, limit).await?)
            }
            RetrievalProvider::Pinecone => {
                Place::Index { sealed: secrets::sealed(tx, PINECONE_API_KEY).await?, settings }
            }
        })
    });
    read.await.map_err(Trouble::Ours)
}
