//! A collector of traces, on loopback: takes what is posted by OTLP over HTTP, and shows it as trees.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
};
use prost::Message;
use tokio::{net::TcpListener, sync::Notify};

/// The collector.
pub struct Collector {
    pub url: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    spans: Mutex<Vec<Seen>>,
    /// Every post as it came.
    posts: Mutex<Vec<(HeaderMap, Bytes)>>,
    /// What is answered instead of 200; 0 for 200, 1 for nothing, ever.
    refuses: AtomicU16,
    news: Notify,
}

/// A span.
#[derive(Debug, Clone)]
pub struct Seen {
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub name: String,
    pub kind: i32,
    pub begun: u64,
    pub is_error: bool,
    pub attributes: BTreeMap<String, String>,
    pub events: Vec<String>,
}

impl Seen {
    /// An attribute, or nothing.
    pub fn word(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

impl Collector {
    pub async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let router = Router::new().route("/v1/traces", post(take)).with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        #[expect(clippy::disallowed_methods, reason = "a test's helper has no log context to keep")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, shared }
    }

    /// From now on every post is answered like this: 200, another status, or 1 for not at all.
    pub fn answer(&self, status: u16) {
        self.shared.refuses.store(if status == 200 { 0 } else { status }, Ordering::SeqCst);
    }

    /// Waits until so many posts have come.
    pub async fn posts(&self, count: usize) {
        loop {
            let news = self.shared.news.notified();
            if self.shared.posts.lock().expect("posts").len() >= count {
                return;
            }
            news.await;
        }
    }

    /// How many have come.
    pub fn count(&self) -> usize {
        self.shared.posts.lock().expect("posts").len()
    }

    /// A header of the last post.
    pub fn header(&self, name: &str) -> String {
        let posts = self.shared.posts.lock().expect("posts");
        let (headers, _) = posts.last().expect("a post");
        headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    }

    /// All that was posted, as far as it is text.
    pub fn text(&self) -> String {
        let posts = self.shared.posts.lock().expect("posts");
        posts.iter().map(|(_, body)| String::from_utf8_lossy(body).into_owned()).collect()
    }

    /// Every span that was taken.
    pub fn spans(&self) -> Vec<Seen> {
        self.shared.spans.lock().expect("spans").clone()
    }

    /// The first span of this name.
    pub fn span(&self, name: &str) -> Seen {
        let spans = self.spans();
        let found = spans.iter().find(|span| span.name == name).cloned();
        found.unwrap_or_else(|| panic!("no {name} in {:?}", spans.iter().map(|span| &span.name).collect::<Vec<_>>()))
    }

    /// The names of a trace's spans, each below its parent, without transactions: their number is not a story's affair.
    pub fn tree(&self, trace: &str) -> String {
        let mut spans = self.spans();
        spans.retain(|span| span.trace == trace && span.name != "transaction");
        spans.sort_by_key(|span| span.begun);
        let mut tree = String::new();
        let is_known = |id: &str| spans.iter().any(|span| span.id == id);
        for root in spans.iter().filter(|span| !is_known(&span.parent)) {
            branch(&spans, root, 0, &mut tree);
        }
        tree
    }
}

fn branch(spans: &[Seen], span: &Seen, depth: usize, tree: &mut String) {
    let _ = write!(tree, "{:1$}{2}", "", depth * 2, span.name);
    for event in &span.events {
        let _ = write!(tree, " *{event}");
    }
    tree.push('\n');
    for child in spans.iter().filter(|child| child.parent == span.id) {
        branch(spans, child, depth + 1, tree);
    }
}

async fn take(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let answer = shared.refuses.load(Ordering::SeqCst);
    if answer == 0 {
        let request = ExportTraceServiceRequest::decode(body.clone()).expect("a request of OTLP");
        for spans in request.resource_spans {
            let resource = spans.resource.map(|resource| words(&resource.attributes)).unwrap_or_default();
            assert!(resource.contains_key("service.name"), "{resource:?}");
            for span in spans.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let seen = Seen {
                    trace: hex::encode(&span.trace_id),
                    id: hex::encode(&span.span_id),
                    parent: hex::encode(&span.parent_span_id),
                    name: span.name,
                    kind: span.kind,
                    begun: span.start_time_unix_nano,
                    is_error: span.status.is_some_and(|status| status.code == 2),
                    attributes: words(&span.attributes),
                    events: span.events.into_iter().map(|event| event.name).collect(),
                };
                shared.spans.lock().expect("spans").push(seen);
            }
        }
    }
    shared.posts.lock().expect("posts").push((headers, body));
    shared.news.notify_waiters();
    match answer {
        0 => StatusCode::OK,
        1 => std::future::pending().await,
        status => StatusCode::from_u16(status).expect("a status"),
    }
}

fn words(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let word = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(is) => is.to_string(),
        other => format!("{other:?}"),
    };
    attributes
        .iter()
        .map(|one| {
            (one.key.clone(), one.value.as_ref().and_then(|any| any.value.as_ref()).map(word).unwrap_or_default())
        })
        .collect()
}
