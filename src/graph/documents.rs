//! Which documents may run: any, or those alone that were known when the clients were built (trusted documents). And documents
//! by their hash, so that a client need not send one twice (automatic persisted queries). Must not judge what a document asks for.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use async_graphql::{Request, Variables};
use quick_cache::{Weighter, sync::Cache};
use ring::digest::{Context, SHA256, digest};
use serde::Deserialize;

use crate::{
    graph::scan::tokens,
    kernel::failure::{ErrorCode, Refusal},
};

/// What all documents that were registered by their hash may hold together, in bytes.
const REGISTERED_MAX: u64 = 16 * 1024 * 1024;
/// So many unknown documents are remembered as told.
const TOLD_MAX: usize = 1_000;

/// What a client asks to run.
#[derive(Debug, Default)]
pub struct Asked {
    /// The document; none for a client that gives its id alone.
    pub query: Option<String>,
    /// Its id.
    pub id: Option<DocumentId>,
    /// Which of its operations.
    pub operation: Option<String>,
    /// Their values.
    pub variables: Variables,
}

/// How a client names a document.
#[derive(Debug)]
pub enum DocumentId {
    /// `documentId`, as the manifest has it (GraphQL over HTTP, appendix on persisted documents).
    Named(String),
    /// `extensions.persistedQuery.sha256Hash`, in hex (Apollo's automatic persisted queries).
    Hash(String),
}

/// Which documents run (`TRUSTED_DOCUMENTS`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trust {
    /// All.
    #[default]
    Off,
    /// All; of those that the manifest lacks, each is logged once.
    Log,
    /// Those of the manifest.
    AllowList,
    /// Those of the manifest, asked for by their ids.
    IdOnly,
}

/// Which documents run, and how they may be asked for.
#[derive(Debug, Clone, Default)]
pub struct DocumentSettings {
    /// Which ones.
    pub trust: Trust,
    /// Those that are trusted (`TRUSTED_DOCUMENTS_FILES`).
    pub manifest: Manifest,
    /// Whether clients may register one by its hash (`AUTOMATIC_PERSISTED_QUERIES`).
    pub automatic: bool,
}

/// Documents that were known when clients were built, by their ids.
#[derive(Debug, Clone, Default)]
pub struct Manifest(HashMap<String, Arc<str>>);

/// Apollo's format: <https://www.npmjs.com/package/@apollo/generate-persisted-query-manifest>.
#[derive(Deserialize)]
struct ApolloManifest {
    format: String,
    version: u32,
    operations: Vec<ApolloOperation>,
}

#[derive(Deserialize)]
struct ApolloOperation {
    id: String,
    body: String,
}

impl Manifest {
    /// Adds what a file holds: Apollo's persisted-query manifest, or Relay's object of ids and documents.
    ///
    /// # Errors
    /// In words for an operator.
    pub fn add(&mut self, file: &str) -> Result<(), String> {
        let documents = read(file)?;
        if documents.is_empty() {
            return Err("holds no documents".to_owned());
        }
        for (id, body) in documents {
            let known = self.0.entry(id).or_insert_with(|| body.as_str().into());
            if **known != *body {
                return Err("gives an id to two documents".to_owned());
            }
        }
        Ok(())
    }
}

fn read(file: &str) -> Result<Vec<(String, String)>, String> {
    if let Ok(relay) = serde_json::from_str::<HashMap<String, String>>(file) {
        return Ok(relay.into_iter().collect());
    }
    match serde_json::from_str(file) {
        Ok(ApolloManifest { format, version: 1, operations }) if format == "apollo-persisted-query-manifest" => {
            Ok(operations.into_iter().map(|operation| (operation.id, operation.body)).collect())
        }
        _ => {
            Err("must be a manifest of Apollo's, version 1, or a JSON object of ids and documents as Relay's"
                .to_owned())
        }
    }
}

type Hash = [u8; 32];

/// Weighs documents by their length.
#[derive(Clone)]
struct Length;

impl Weighter<Hash, Arc<str>> for Length {
    fn weight(&self, _hash: &Hash, document: &Arc<str>) -> u64 {
        u64::try_from(document.len() + size_of::<Hash>()).unwrap_or(u64::MAX)
    }
}

/// The documents that this node knows.
pub(super) struct Documents {
    trust: Trust,
    manifest: Manifest,
    /// Of the manifest's, whatever their spaces and comments.
    trusted: HashSet<Hash>,
    registered: Option<Cache<Hash, Arc<str>, Length>>,
    told: Cache<Hash, ()>,
}

/// What is new about a document, to be noted once its caller was let in.
#[derive(Default)]
pub(super) struct News {
    register: Option<Hash>,
    is_unknown: bool,
}

impl Documents {
    pub(super) fn new(settings: DocumentSettings) -> Self {
        let DocumentSettings { trust, manifest, automatic } = settings;
        let trusted = manifest.0.values().map(|document| fingerprint(document)).collect();
        // Where ids alone are taken, or what is trusted, there is nothing to register.
        let is_open = automatic && matches!(trust, Trust::Off | Trust::Log);
        let registered = is_open.then(|| Cache::with_weighter(TOLD_MAX, REGISTERED_MAX, Length));
        Self { trust, manifest, trusted, registered, told: Cache::new(TOLD_MAX) }
    }

    /// The request, with its document.
    ///
    /// # Errors
    /// `PERSISTED_QUERY_NOT_FOUND`, to which clients send the document itself; `DOCUMENT_NOT_TRUSTED`; `BAD_USER_INPUT` when
    /// there is neither document nor id, or they contradict each other.
    pub(super) fn find(&self, asked: Asked) -> Result<(Request, News), Refusal> {
        let Asked { query, id, operation, variables } = asked;
        let mut news = News::default();
        let document = match (query, id) {
            (Some(query), None) => {
                self.judge(&query, &mut news)?;
                query
            }
            (Some(query), Some(DocumentId::Hash(hash))) => {
                let own = sha256(&query);
                if !hash.eq_ignore_ascii_case(&hex::encode(own)) {
                    return Err(bad("`sha256Hash` is not the SHA-256 of `query`, in hex."));
                }
                self.judge(&query, &mut news)?;
                news.register = self.registered.is_some().then_some(own);
                query
            }
            (Some(_), Some(DocumentId::Named(_))) => return Err(bad("Give `query` or `documentId`, not both.")),
            (None, Some(id)) => self.known(&id)?.to_string(),
            (None, None) => return Err(bad("`query` is missing.")),
        };
        let request = Request::new(document).variables(variables);
        let request = match operation {
            Some(name) => request.operation_name(name),
            None => request,
        };
        Ok((request, news))
    }

    /// The document of an id.
    fn known(&self, id: &DocumentId) -> Result<Arc<str>, Refusal> {
        let (name, hash) = match id {
            DocumentId::Named(name) => (name.as_str(), name.strip_prefix("sha256:")),
            DocumentId::Hash(hash) => (hash.as_str(), Some(hash.as_str())),
        };
        let of_manifest = self.manifest.0.get(name).or_else(|| self.manifest.0.get(hash?));
        let of_a_client = || {
            let mut key = Hash::default();
            hex::decode_to_slice(hash?, &mut key).ok()?;
            self.registered.as_ref()?.get(&key)
        };
        if let Some(document) = of_manifest.cloned().or_else(of_a_client) {
            return Ok(document);
        }
        let (code, message) = match id {
            // Clients know these by their messages too, which are Apollo's.
            DocumentId::Hash(_) if self.registered.is_none() && self.manifest.0.is_empty() => {
                (ErrorCode::PersistedQueryNotSupported, "PersistedQueryNotSupported")
            }
            DocumentId::Hash(_) => (ErrorCode::PersistedQueryNotFound, "PersistedQueryNotFound"),
            DocumentId::Named(_) => (ErrorCode::PersistedQueryNotFound, "The server knows no document of this id."),
        };
        Err(Refusal::new(code, message))
    }

    /// Whether a document runs that came as text.
    fn judge(&self, document: &str, news: &mut News) -> Result<(), Refusal> {
        let message = match self.trust {
            Trust::Off => return Ok(()),
            Trust::IdOnly => {
                "This server runs documents by their ids alone. Send the `documentId` of one that it knows."
            }
            Trust::Log | Trust::AllowList if self.trusted.contains(&fingerprint(document)) => return Ok(()),
            Trust::Log => {
                news.is_unknown = true;
                return Ok(());
            }
            Trust::AllowList => {
                "This server runs documents alone that it knows beforehand, and this is none. Publish it with the clients' \
                 manifest."
            }
        };
        Err(Refusal::new(ErrorCode::DocumentNotTrusted, message))
    }

    /// Notes what was new about a document that runs.
    pub(super) fn note(&self, news: &News, request: &Request) {
        if let (Some(hash), Some(registered)) = (news.register, &self.registered) {
            registered.insert(hash, request.query.as_str().into());
        }
        if news.is_unknown {
            let fingerprint = fingerprint(&request.query);
            if self.told.get(&fingerprint).is_none() {
                self.told.insert(fingerprint, ());
                let operation = request.operation_name.as_deref().unwrap_or_default();
                tracing::warn!(
                    sha256 = hex::encode(sha256(&request.query)),
                    operation,
                    "a document that is in no manifest"
                );
            }
        }
    }
}

fn bad(message: &'static str) -> Refusal {
    Refusal::new(ErrorCode::BadUserInput, message)
}

fn sha256(text: &str) -> Hash {
    digest(&SHA256, text.as_bytes()).as_ref().try_into().unwrap_or_default()
}

/// The same for documents that differ in spaces, commas and comments alone.
fn fingerprint(document: &str) -> Hash {
    let mut context = Context::new(&SHA256);
    for token in tokens(document) {
        context.update(&token.len().to_le_bytes());
        context.update(token);
    }
    context.finish().as_ref().try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_known_by_its_words_and_not_by_its_spaces() {
        let same = [
            "query A { me { id ... on User { role } } }",
            "query A{me{id...on User{role}}}",
            "\u{feff}# who\nquery A {\n  me, { id\n ...  on User { role } }\n}\n",
        ];
        assert!(same.iter().all(|document| fingerprint(document) == fingerprint(same[0])));
        for other in [
            "query B { me { id ... on User { role } } }",
            "query A { m e { id ... on User { role } } }",
            "query A { me { id ...onUser { role } } }",
            "query A { me { id ... on User { role } } } #\n{ me { id } }",
            "",
        ] {
            assert_ne!(fingerprint(other), fingerprint(same[0]), "{other}");
        }
        assert_ne!(fingerprint(r#"{ a(b: "x y") }"#), fingerprint(r#"{ a(b: "xy") }"#));
    }

    #[test]
    fn a_manifest_is_read_as_the_clients_tools_write_it() {
        let apollo = r#"{ "format": "apollo-persisted-query-manifest", "version": 1, "operations":
                          [{ "id": "1", "name": "A", "type": "query", "body": "query A { me { id } }" }] }"#;
        let mut manifest = Manifest::default();
        assert_eq!(manifest.add(apollo), Ok(()));
        assert_eq!(manifest.add(r#"{ "2": "query B { me { id } }" }"#), Ok(()));
        assert_eq!(manifest.0.len(), 2);
        let mut faults = Vec::new();
        let twice = apollo.replace("}]", r#"}, { "id": "1", "body": "{ me { email } }" }]"#);
        let newer = apollo.replace("\"version\": 1", "\"version\": 2");
        for file in [r#"{ "2": "query C { me { id } }" }"#, &twice, "[", "{}", &newer] {
            faults.push(manifest.add(file).unwrap_err());
        }
        insta::assert_debug_snapshot!(faults, @r#"
        [
            "gives an id to two documents",
            "gives an id to two documents",
            "must be a manifest of Apollo's, version 1, or a JSON object of ids and documents as Relay's",
            "holds no documents",
            "must be a manifest of Apollo's, version 1, or a JSON object of ids and documents as Relay's",
        ]
        "#);
    }

    #[test]
    fn what_clients_register_is_bounded() {
        let automatic = DocumentSettings { automatic: true, ..DocumentSettings::default() };
        let documents = Documents::new(automatic);
        let large = "x".repeat(1024 * 1024);
        for number in 0..64 {
            let query = format!("{number} {large}");
            let hash = hex::encode(sha256(&query));
            let asked = Asked { query: Some(query), id: Some(DocumentId::Hash(hash)), ..Asked::default() };
            let (request, news) = documents.find(asked).unwrap();
            documents.note(&news, &request);
        }
        let held = documents.registered.as_ref().unwrap();
        assert!(held.weight() <= REGISTERED_MAX && !held.is_empty());
    }
}
