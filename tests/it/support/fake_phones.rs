//! Telnyx and Twilio as they send texts, on loopback: each text is taken down, and what the provider answers is scripted. One
//! that is asked for twice under one idempotency key is sent once, as Telnyx has it, until it forgets the key.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify};

/// The providers.
pub struct FakePhones {
    pub telnyx: String,
    pub twilio: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    sent: Mutex<Vec<Sent>>,
    script: Mutex<VecDeque<Script>>,
    news: Notify,
}

/// A text that was asked for.
#[derive(Debug, Clone)]
pub struct Sent {
    pub from: String,
    pub to: String,
    pub text: String,
    /// Who asked: the `Authorization` header.
    pub by: String,
    /// Telnyx: the idempotency key. Twilio: where receipts go.
    pub mark: String,
    /// The `traceparent` that came with it; there should be none.
    pub traceparent: String,
    /// The provider's name for it; none where it was refused.
    pub id: Option<String>,
}

/// What a provider does with the next text; it takes those that nobody scripted.
#[derive(Clone)]
pub enum Script {
    /// Takes it.
    Take,
    /// Refuses it, also where it took it before.
    Refuse(u16, Value),
    /// Refuses it for now, and says after how many seconds it may be asked again.
    Busy(&'static str),
    /// Takes it, and breaks off before it has answered.
    Vanish,
}

impl Script {
    fn is_refusal(&self) -> bool {
        matches!(self, Self::Refuse(..) | Self::Busy(_))
    }
}

impl FakePhones {
    pub async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let router = Router::new()
            .route("/v2/messages", post(by_telnyx))
            .route("/2010-04-01/Accounts/{sid}/Messages.json", post(by_twilio))
            .with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("address"));
        #[expect(clippy::disallowed_methods, reason = "a test's helper has no log context to keep")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { telnyx: format!("{base}/v2"), twilio: base, shared }
    }

    /// The variables that lead a server here.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("TELNYX_API_BASE_URL", self.telnyx.clone()),
            ("TWILIO_API_BASE_URL", self.twilio.clone()),
            ("PUBLIC_URL", "https://chat.example.test".to_owned()),
        ]
    }

    pub fn script(&self, scripts: impl IntoIterator<Item = Script>) {
        self.shared.script.lock().expect("script").extend(scripts);
    }

    /// Telnyx knows the idempotency keys so far no longer.
    pub fn forgets(&self) {
        for sent in self.shared.sent.lock().expect("sent").iter_mut() {
            sent.mark.clear();
        }
    }

    /// Every text that was asked for, in order.
    pub fn asked(&self) -> Vec<Sent> {
        self.shared.sent.lock().expect("sent").clone()
    }

    /// The `n`th text that was asked for, once it is.
    pub async fn next(&self, n: usize) -> Sent {
        loop {
            let news = self.shared.news.notified();
            if let Some(sent) = self.asked().get(n) {
                return sent.clone();
            }
            news.await;
        }
    }

    /// The texts that customers got, in order.
    pub fn arrived(&self) -> Vec<String> {
        self.asked().into_iter().filter(|sent| sent.id.is_some()).map(|sent| sent.text).collect()
    }
}

async fn by_telnyx(State(shared): State<Arc<Shared>>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let word = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let sent = Sent {
        from: word("from"),
        to: word("to"),
        text: word("text"),
        by: header(&headers, "authorization"),
        mark: header(&headers, "idempotency-key"),
        traceparent: header(&headers, "traceparent"),
        id: None,
    };
    let is_refused = shared.script.lock().expect("script").front().is_some_and(Script::is_refusal);
    let known = shared.sent.lock().expect("sent").iter().find(|one| one.mark == sent.mark && one.id.is_some()).cloned();
    let answer = |id: &str| {
        let to = json!([{ "phone_number": sent.to, "status": "queued" }]);
        let data = json!({ "record_type": "message", "direction": "outbound", "id": id, "to": to, "parts": 1 });
        Json(json!({ "data": data })).into_response()
    };
    if let Some(id) = known.filter(|_| !is_refused).and_then(|known| known.id) {
        return answer(&id);
    }
    take(&shared, sent.clone(), "telnyx", answer)
}

async fn by_twilio(
    State(shared): State<Arc<Shared>>,
    Path(account): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let word = |name: &str| {
        url::form_urlencoded::parse(&body).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let sent = Sent {
        from: word("From").unwrap_or_default(),
        to: word("To").unwrap_or_default(),
        text: word("Body").unwrap_or_default(),
        by: header(&headers, "authorization"),
        mark: word("StatusCallback").unwrap_or_default(),
        traceparent: header(&headers, "traceparent"),
        id: None,
    };
    take(&shared, sent, "SM", |id| {
        (StatusCode::CREATED, Json(json!({ "sid": id, "account_sid": account, "status": "queued" }))).into_response()
    })
}

fn take(shared: &Shared, mut sent: Sent, prefix: &str, answer: impl FnOnce(&str) -> Response) -> Response {
    let script = shared.script.lock().expect("script").pop_front().unwrap_or(Script::Take);
    let mut all = shared.sent.lock().expect("sent");
    // No provider gives a name again, also where this one is started anew beside the same database.
    let id = format!("{prefix}{}", uuid::Uuid::new_v4().simple());
    sent.id = (!script.is_refusal()).then(|| id.clone());
    all.push(sent);
    shared.news.notify_waiters();
    match script {
        Script::Take => answer(&id),
        Script::Refuse(status, body) => (StatusCode::from_u16(status).expect("a status"), Json(body)).into_response(),
        Script::Busy(seconds) => {
            (StatusCode::TOO_MANY_REQUESTS, [("retry-after", seconds)], Json(Value::Null)).into_response()
        }
        // A body that is shorter than it says: the client sees the connection break.
        Script::Vanish => {
            let broken = futures_util::stream::once(async { Err::<Bytes, _>(std::io::Error::other("gone")) });
            axum::body::Body::from_stream(broken).into_response()
        }
    }
}

fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}
