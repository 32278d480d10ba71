//! Pinecone by its REST interface: where an index is, and what it holds near to a vector. Each call is one tenant's: its key,
//! its index, its namespace, applied by Pinecone itself. Must not choose any of them.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::RequestBuilder;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use crate::{
    db::tables::settings::RetrievalRow,
    kernel::{clock::Clock, hosts::HostRule, ids::TenantId},
    retrieval::{
        PineconeSettings, Trouble,
        matches::Match,
        wire::{self, Wire},
    },
};

const CONTROLLER: &str = "Pinecone's control plane";
const INDEX: &str = "the index at Pinecone";
/// Minutes for which an index is known to be where it was. It never moves, but another may get its name.
const KNOWN_FOR: i64 = 60;
/// Indexes that are known at once, at most.
const KNOWN_MAX: usize = 10_000;
/// The name by which Pinecone calls the namespace without a name.
const NAMELESS: &str = "__default__";

/// One tenant's part of an index, and what opens it.
pub(super) struct Index<'a> {
    pub tenant: TenantId,
    pub settings: &'a RetrievalRow,
    pub namespace: String,
    pub key: SecretString,
}

/// Hosts of indexes, and until when they are taken for it. By tenant and index: two tenants' indexes may have one name.
type Known = HashMap<(TenantId, String), (String, DateTime<Utc>)>;

/// A client.
pub(super) struct Pinecone {
    controller: Wire,
    indexes: Wire,
    hosts: HostRule,
    settings: PineconeSettings,
    clock: Clock,
    known: Mutex<Known>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    matches: Vec<Match>,
    namespace: Option<String>,
}

/// What describes an index, as far as every version of the interface has it.
#[derive(Deserialize)]
struct Described {
    host: String,
}

impl Pinecone {
    /// With the way to its control plane, and the one to the indexes that tenants name.
    pub(super) fn new(controller: Wire, indexes: Wire, settings: PineconeSettings, clock: Clock) -> Self {
        Self { controller, indexes, hosts: settings.hosts(), settings, clock, known: Mutex::default() }
    }

    /// The records of the index's part that are nearest to `vector`, the nearest first.
    pub(super) async fn query(&self, index: &Index<'_>, vector: &[f32], limit: i64) -> Result<Vec<Match>, Trouble> {
        let base = self.hosts.base(&self.host(index).await?).ok_or(Trouble::ForeignHost)?;
        let request = self.indexes.client().post(format!("{base}/query")).json(&json!({
            "vector": vector, "topK": limit, "namespace": index.namespace, "includeMetadata": true, "includeValues": false,
        }));
        let answered = self.indexes.ask(INDEX, self.signed(request, index)?).await;
        if answered.as_ref().is_err_and(Trouble::doubts_host) {
            self.known().retain(|(tenant, _), _| *tenant != index.tenant);
        }
        let answer: Answer = answered?;
        let is_ours = |name: &String| name.is_empty() || *name == index.namespace || index.namespace == NAMELESS;
        if !answer.namespace.as_ref().is_none_or(is_ours) {
            return Err(Trouble::Garbled(INDEX, "what is in another namespace"));
        }
        Ok(answer.matches)
    }

    fn signed(&self, request: RequestBuilder, index: &Index<'_>) -> Result<RequestBuilder, Trouble> {
        Ok(request
            .header("api-key", wire::header("", &index.key)?)
            .header("x-pinecone-api-version", &self.settings.api_version)
            .header("accept", "application/json"))
    }

    /// The index's host: as the tenant says, else as the control plane does, else as the old kind was put together. The key
    /// goes there, so whoever said it is not taken at their word: see [`HostRule`].
    async fn host(&self, index: &Index<'_>) -> Result<String, Trouble> {
        if let Some(host) = &index.settings.pinecone_host {
            return self.hosts.read(host).ok_or(Trouble::ForeignHost);
        }
        let name = index.settings.pinecone_index.clone().ok_or(Trouble::Unset("there is no pineconeIndex"))?;
        let handle = (index.tenant, name);
        let now = self.clock.now();
        if let Some((host, _)) = self.known().get(&handle).filter(|(_, until)| *until > now) {
            return Ok(host.clone());
        }
        let host = match self.described(index, &handle.1).await {
            Ok(host) => host,
            Err(trouble @ Trouble::Refused { .. }) if !trouble.may_pass() => self.legacy(index).ok_or(trouble)?,
            Err(trouble) => return Err(trouble),
        };
        let mut known = self.known();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(handle, (host.clone(), now + TimeDelta::minutes(KNOWN_FOR)));
        Ok(host)
    }

    async fn described(&self, index: &Index<'_>, name: &str) -> Result<String, Trouble> {
        let mut url = url::Url::parse(&self.settings.controller)
            .map_err(|_| Trouble::Unset("PINECONE_CONTROLLER_HOST is no address"))?;
        // A name is one segment, whatever it holds.
        url.path_segments_mut()
            .map_err(|()| Trouble::Unset("PINECONE_CONTROLLER_HOST is no address"))?
            .pop_if_empty()
            .extend(["indexes", name]);
        let request = self.signed(self.controller.client().get(url), index)?;
        let described: Described = self.controller.ask(CONTROLLER, request).await?;
        self.hosts.read(&described.host).ok_or(Trouble::ForeignHost)
    }

    /// The host of an index of the old kind; only where all three parts are known.
    fn legacy(&self, index: &Index<'_>) -> Option<String> {
        let name = index.settings.pinecone_index.as_ref()?;
        let environment = index.settings.pinecone_environment.as_ref()?;
        let project = self.settings.project.as_ref()?;
        self.hosts.read(&format!("{name}-{project}.svc.{environment}.pinecone.io"))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_the_old_kind_needs_all_its_parts_and_is_one_of_pinecones() {
        crate::tokens::install_provider();
        let host = |project: Option<&str>, environment: Option<&str>| {
            let settings = PineconeSettings {
                controller: "https://api.pinecone.io".to_owned(),
                api_version: "2025-04".to_owned(),
                project: project.map(str::to_owned),
                stand_ins: Vec::new(),
            };
            let row = RetrievalRow {
                pinecone_index: Some("docs".to_owned()),
                pinecone_environment: environment.map(str::to_owned),
                ..RetrievalRow::default()
            };
            let index =
                Index { tenant: TenantId(1), settings: &row, namespace: "tenant_1".to_owned(), key: "key".into() };
            let wire = Wire::to_tenants().expect("a client");
            Pinecone::new(wire.clone(), wire, settings, Clock::system()).legacy(&index)
        };
        let old = host(Some("abc1234"), Some("us-west1-gcp"));
        assert_eq!(old.as_deref(), Some("docs-abc1234.svc.us-west1-gcp.pinecone.io"));
        assert_eq!(host(None, Some("us-west1-gcp")), None);
        assert_eq!(host(Some("abc1234"), None), None);
        assert_eq!(host(Some("abc1234"), Some("evil.example/")), None);
    }
}
