//! A server that speaks Pinecone's wire format on loopback, control plane and index, and OpenAI's for embeddings. It holds
//! records by key and namespace, notes every call, and fails by script.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use frontdesk::retrieval::{EmbeddingSettings, PineconeSettings, RetrieverSettings};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify};

/// Which part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    Embeddings,
    Controller,
    Index,
}

/// What a part does instead of its work.
#[derive(Clone)]
pub enum Fault {
    /// Answers with a status, a header and a body.
    Status(u16, (&'static str, String), String),
    /// Never answers.
    Silent,
}

/// One call that came in.
#[derive(Clone)]
pub struct Call {
    pub part: Part,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
}

pub struct FakePinecone {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    records: Mutex<HashMap<(String, String), Vec<Value>>>,
    /// The host that the control plane names.
    host: Mutex<String>,
    faults: Mutex<HashMap<Part, (Fault, usize)>>,
    calls: Mutex<Vec<Call>>,
    called: Notify,
}

/// The vector of whatever is asked.
pub const VECTOR: [f64; 3] = [0.25, -0.5, 0.125];

impl FakePinecone {
    pub async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let router = Router::new()
            .route("/v1/embeddings", post(embeddings))
            .route("/indexes/{name}", get(describe))
            .route("/query", post(query))
            .with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("address");
        *shared.host.lock().expect("host") = address.to_string();
        #[expect(clippy::disallowed_methods, reason = "a test's helper has no log context to keep")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, shared }
    }

    /// The settings of a server that uses this one.
    pub fn settings(&self) -> RetrieverSettings {
        RetrieverSettings {
            embeddings: Some(EmbeddingSettings {
                base_url: format!("http://{}/v1", self.address),
                key: "sk-embedding-canary".into(),
                model: "text-embedding-3-small".to_owned(),
            }),
            pinecone: PineconeSettings {
                controller: format!("http://{}", self.address),
                api_version: "2025-04".to_owned(),
                project: None,
                stand_ins: vec![self.address],
            },
            patience: Duration::from_secs(20),
        }
    }

    /// Puts a record into a namespace of the index that `key` opens.
    pub fn record(&self, key: &str, namespace: &str, id: &str, metadata: Value) {
        let record = json!({ "id": id, "score": 0.83, "values": [], "metadata": metadata });
        let mut records = self.shared.records.lock().expect("records");
        records.entry((key.to_owned(), namespace.to_owned())).or_default().push(record);
    }

    /// Has the control plane name another host.
    pub fn at(&self, host: &str) {
        host.clone_into(&mut self.shared.host.lock().expect("host"));
    }

    /// Has a part fail for so many calls.
    pub fn fail(&self, part: Part, fault: Fault, times: usize) {
        self.shared.faults.lock().expect("faults").insert(part, (fault, times));
    }

    /// The calls since it was last asked.
    pub fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut *self.shared.calls.lock().expect("calls"))
    }

    /// Waits for a call of a part, which may have come already.
    pub async fn called(&self, part: Part) {
        while !self.shared.calls.lock().expect("calls").iter().any(|call| call.part == part) {
            self.shared.called.notified().await;
        }
    }
}

impl Shared {
    /// Notes a call, and fails it where it is to.
    async fn note(&self, part: Part, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Option<Response> {
        let body = serde_json::from_slice(body).unwrap_or(Value::Null);
        let call = Call { part, path: uri.to_string(), headers: headers.clone(), body };
        self.calls.lock().expect("calls").push(call);
        self.called.notify_one();
        let fault = match self.faults.lock().expect("faults").get_mut(&part) {
            Some((fault, times)) if *times > 0 => {
                *times -= 1;
                fault.clone()
            }
            _ => return None,
        };
        match fault {
            Fault::Status(status, header, body) => {
                Some((StatusCode::from_u16(status).expect("a status"), [header], body).into_response())
            }
            Fault::Silent => std::future::pending().await,
        }
    }
}

async fn embeddings(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(failed) = shared.note(Part::Embeddings, &uri, &headers, &body).await {
        return failed;
    }
    let one =
        |index: usize, embedding: [f64; 3]| json!({ "object": "embedding", "index": index, "embedding": embedding });
    // Nobody promised an order.
    let data = [one(1, [9.0, 9.0, 9.0]), one(0, VECTOR)];
    let usage = json!({ "prompt_tokens": 4, "total_tokens": 4 });
    Json(json!({ "object": "list", "data": data, "model": "text-embedding-3-small", "usage": usage })).into_response()
}

async fn describe(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(failed) = shared.note(Part::Controller, &uri, &headers, &body).await {
        return failed;
    }
    Json(json!({
        "name": name, "dimension": 3, "metric": "cosine", "host": *shared.host.lock().expect("host"), "vector_type": "dense",
        "deletion_protection": "disabled", "tags": null, "spec": { "serverless": { "cloud": "aws", "region": "us-east-1" } },
        "status": { "ready": true, "state": "Ready" },
    }))
    .into_response()
}

async fn query(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(failed) = shared.note(Part::Index, &uri, &headers, &body).await {
        return failed;
    }
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let key = headers.get("api-key").and_then(|key| key.to_str().ok()).unwrap_or_default().to_owned();
    let namespace = body["namespace"].as_str().unwrap_or_default().to_owned();
    let records = shared.records.lock().expect("records");
    if !records.keys().any(|(known, _)| *known == key) {
        return (StatusCode::UNAUTHORIZED, "Invalid API Key").into_response();
    }
    let matches = records.get(&(key, namespace.clone())).cloned().unwrap_or_default();
    Json(json!({ "results": [], "matches": matches, "namespace": namespace, "usage": { "readUnits": 5 } }))
        .into_response()
}
