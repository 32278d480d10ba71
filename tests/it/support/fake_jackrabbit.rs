//! A server that gives class schedules as Jackrabbit does, on loopback, by script. It counts who asks, and can hold an
//! answer back until the test lets it go.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify};

pub struct FakeJackrabbit {
    pub base_url: String,
    shared: Arc<Shared>,
}

struct Shared {
    script: Mutex<Script>,
    asked: Mutex<Vec<(String, HeaderMap)>>,
    arrived: Notify,
    go_on: Notify,
    count: AtomicUsize,
}

/// What the server does with the next calls.
#[derive(Clone)]
pub enum Script {
    /// Answers with these rows.
    Rows(Value),
    /// Answers with this status and text.
    Raw(u16, &'static str, String),
    /// As `Rows`, once the test says so.
    Held(Value),
    /// Sends spaces without end.
    Endless,
    /// Never answers.
    Silent,
    /// Sends the client elsewhere.
    Elsewhere(String),
}

impl FakeJackrabbit {
    pub async fn start(script: Script) -> Self {
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            asked: Mutex::default(),
            arrived: Notify::new(),
            go_on: Notify::new(),
            count: AtomicUsize::new(0),
        });
        let router = Router::new().route("/jr3.0/Openings/OpeningsJson", get(answer)).with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base_url = format!("http://{}", listener.local_addr().expect("address"));
        #[expect(clippy::disallowed_methods, reason = "a test's helper has no log context to keep")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base_url, shared }
    }

    /// A school with the recorded schedule.
    pub async fn school() -> Self {
        Self::start(Script::Rows(recorded())).await
    }

    pub fn script(&self, script: Script) {
        *self.shared.script.lock().expect("script") = script;
    }

    /// How often it was asked.
    pub fn count(&self) -> usize {
        self.shared.count.load(Ordering::SeqCst)
    }

    /// What it was asked last: the query, and the headers.
    pub fn last(&self) -> (String, HeaderMap) {
        self.shared.asked.lock().expect("asked").last().expect("a call").clone()
    }

    /// Waits until somebody asks.
    pub async fn arrival(&self) {
        self.shared.arrived.notified().await;
    }

    /// Lets a held answer go.
    pub fn go_on(&self) {
        self.shared.go_on.notify_one();
    }
}

/// The rows of the recorded schedule.
pub fn recorded() -> Value {
    let vector: Value =
        serde_json::from_str(include_str!("../../vectors/jackrabbit-openings.json")).expect("the vector");
    vector["feed"]["rows"].clone()
}

async fn answer(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    shared.count.fetch_add(1, Ordering::SeqCst);
    shared.asked.lock().expect("asked").push((query.unwrap_or_default(), headers));
    shared.arrived.notify_one();
    let script = shared.script.lock().expect("script").clone();
    let listed = |rows: Value| {
        ([(header::CONTENT_TYPE, "application/json")], json!({ "success": true, "rows": rows }).to_string())
            .into_response()
    };
    match script {
        Script::Rows(rows) => listed(rows),
        Script::Held(rows) => {
            shared.go_on.notified().await;
            listed(rows)
        }
        Script::Raw(status, kind, body) => {
            (StatusCode::from_u16(status).expect("a status"), [(header::CONTENT_TYPE, kind)], body).into_response()
        }
        Script::Endless => {
            let spaces = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 65_536]));
            Body::from_stream(spaces).into_response()
        }
        Script::Silent => std::future::pending().await,
        Script::Elsewhere(to) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
    }
}
