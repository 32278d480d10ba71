//! A stand-in for Google, on loopback: consent, tokens, Gmail and the keys of Cloud Pub/Sub, in their wire formats. It keeps
//! mailboxes, fails by script, and notes what it is asked. It needs nothing of the other helpers.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use base64::{
    Engine,
    engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD},
};
use ring::{
    rand::SystemRandom,
    rsa::KeyPair,
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify};

/// What it takes for the platform's own.
pub const CLIENT_ID: &str = "client.apps.example";
pub const CLIENT_SECRET: &str = "client-canary-secret";
/// The account that pushes.
pub const ACCOUNT: &str = "push@project.iam.example";

/// The mailbox of whoever comes to the consent's page itself.
pub const MAILBOX: &str = "desk@mail.example";

/// A private key for tests alone (RSA, 2048 bits, PKCS #8, DER in base64), which signs pushes under [`KID`].
const KEY: &str = include_str!("fake_google_key.txt");
const KID: &str = "a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0";

pub struct FakeGoogle {
    pub base_url: String,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State_>,
    key: KeyPair,
}

#[derive(Default)]
struct State_ {
    mailboxes: HashMap<String, Box_>,
    /// Codes that can be taken for tokens: for which mailbox, for which challenge, with which scopes.
    codes: HashMap<String, (String, String, String)>,
    /// Access tokens that are good, and the mailbox of each.
    access: HashMap<String, String>,
    refresh: HashMap<String, String>,
    counter: u64,
    /// What the next calls of a path answer instead, each once.
    faults: HashMap<&'static str, VecDeque<Fault>>,
    asked: Vec<(String, Value)>,
    /// Whether the keys that pushes are signed with are given away.
    hides_keys: bool,
    without_refresh: bool,
    /// Messages that can't be had, though nothing says that they are gone.
    spoilt: Vec<String>,
    /// Messages that came longer ago than any search asks for.
    old: Vec<String>,
}

#[derive(Default)]
struct Box_ {
    messages: Vec<Value>,
    history: Vec<(u64, String)>,
    history_id: u64,
    /// Before this, the history is forgotten.
    oldest: u64,
    sent: Vec<(Value, Vec<u8>)>,
}

/// What a call answers instead.
#[derive(Clone)]
pub enum Fault {
    /// This status and body.
    Answer(u16, Value),
    /// What was asked for is done, and the answer lost.
    Lost,
    /// No answer comes; of `stop` alone.
    Silent,
    /// This status and body, once the test lets it through; of `token` alone.
    Held(Arc<Gate>, u16, Value),
}

/// Holds an answer back.
#[derive(Default)]
pub struct Gate {
    reached: Notify,
    opened: Notify,
}

impl Gate {
    /// Waits until somebody asks for the answer.
    pub async fn reached(&self) {
        self.reached.notified().await;
    }

    /// Lets it through.
    pub fn open(&self) {
        self.opened.notify_one();
    }

    async fn passed(&self) {
        self.reached.notify_one();
        self.opened.notified().await;
    }
}

impl FakeGoogle {
    pub async fn start() -> Self {
        let pkcs8 = base64::engine::general_purpose::STANDARD.decode(KEY.replace(['\n', ' '], "")).expect("base64");
        let shared = Arc::new(Shared { state: Mutex::default(), key: KeyPair::from_pkcs8(&pkcs8).expect("a key") });
        let router = Router::new()
            .route("/o/oauth2/v2/auth", get(consent))
            .route("/token", post(token))
            .route("/revoke", post(revoke))
            .route("/oauth2/v3/certs", get(certs))
            .route("/gmail/v1/users/me/profile", get(profile))
            .route("/gmail/v1/users/me/watch", post(watch))
            .route("/gmail/v1/users/me/stop", post(stop))
            .route("/gmail/v1/users/me/history", get(history))
            .route("/gmail/v1/users/me/messages", get(list))
            .route("/gmail/v1/users/me/messages/send", post(send))
            .route("/gmail/v1/users/me/messages/{id}", get(message))
            .route("/gmail/v1/users/me/messages/{id}/attachments/{part}", get(attachment))
            .route("/gmail/v1/users/me/threads/{id}", get(thread))
            .with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base_url = format!("http://{}", listener.local_addr().expect("address"));
        #[expect(clippy::disallowed_methods, reason = "a test's helper has no log context to keep")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base_url, shared }
    }

    /// The variables of the environment that lead a server here.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("GOOGLE_CLIENT_ID", CLIENT_ID.into()),
            ("GOOGLE_CLIENT_SECRET", CLIENT_SECRET.into()),
            ("GOOGLE_API_BASE_URL", self.base_url.clone()),
            ("GMAIL_PUBSUB_TOPIC", "projects/project/topics/mail".into()),
            ("PUBSUB_SERVICE_ACCOUNT", ACCOUNT.into()),
        ]
    }

    fn state(&self) -> MutexGuard<'_, State_> {
        self.shared.state.lock().expect("state")
    }

    /// What a person does at `authorization_url`: signs in to this mailbox and allows it. Gives the query that they come back
    /// with.
    pub fn consents(&self, authorization_url: &str, mailbox: &str) -> String {
        self.consents_to(authorization_url, mailbox, None)
    }

    /// As [`FakeGoogle::consents`], to some scopes alone.
    pub fn consents_to(&self, authorization_url: &str, mailbox: &str, scopes: Option<&str>) -> String {
        let url = url::Url::parse(authorization_url).expect("an address");
        let said: HashMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!((said["response_type"].as_str(), said["client_id"].as_str()), ("code", CLIENT_ID));
        assert_eq!((said["access_type"].as_str(), said["prompt"].as_str()), ("offline", "consent"));
        assert_eq!(said["code_challenge_method"], "S256");
        let mut state = self.state();
        let code = format!("4/code-{}", state.next());
        let scopes = scopes.map_or_else(|| said["scope"].clone(), str::to_owned);
        state.codes.insert(code.clone(), (mailbox.to_owned(), said["code_challenge"].clone(), scopes.clone()));
        let entry = state.mailboxes.entry(mailbox.to_owned()).or_default();
        entry.history_id = entry.history_id.max(1_000);
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("state", said["state"].as_str()), ("code", &code), ("scope", &scopes)])
            .finish()
    }

    /// The next call of a path (`token`, `send`, …) answers so.
    pub fn fails(&self, path: &'static str, fault: Fault) {
        self.state().faults.entry(path).or_default().push_back(fault);
    }

    /// The consent to a mailbox is taken back.
    pub fn takes_back(&self, mailbox: &str) {
        let mut state = self.state();
        state.access.retain(|_, owner| owner != mailbox);
        state.refresh.retain(|_, owner| owner != mailbox);
    }

    /// Access tokens end, as after an hour.
    pub fn tokens_end(&self) {
        self.state().access.clear();
    }

    /// From now on no token that refreshes comes with a consent.
    pub fn gives_no_refresh_token(&self) {
        self.state().without_refresh = true;
    }

    /// The keys can't be had, or can again.
    pub fn hides_keys(&self, hides: bool) {
        self.state().hides_keys = hides;
    }

    /// Which paths were asked, in their order.
    pub fn paths(&self) -> Vec<String> {
        self.state().asked.iter().map(|(path, _)| path.clone()).collect()
    }

    /// What was asked of a path.
    pub fn asked(&self, path: &str) -> Vec<Value> {
        self.state().asked.iter().filter(|(asked, _)| asked == path).map(|(_, what)| what.clone()).collect()
    }

    /// Mail arrives: the message as Gmail gives it, but for its ids. Gives its id.
    pub fn arrives(&self, mailbox: &str, thread: &str, payload: Value) -> String {
        self.arrives_as(mailbox, thread, &["INBOX", "UNREAD"], payload)
    }

    pub fn arrives_as(&self, mailbox: &str, thread: &str, labels: &[&str], payload: Value) -> String {
        let mut state = self.state();
        let n = state.next();
        let id = format!("{n:016x}");
        // When the tests begin; each later than the one before.
        let internal_date = (1_795_262_400_000 + n).to_string();
        let entry = state.mailboxes.entry(mailbox.to_owned()).or_default();
        entry.history_id += 1;
        let at = entry.history_id;
        entry.messages.push(json!({ "id": id, "threadId": thread, "labelIds": labels, "snippet": "…",
            "historyId": at.to_string(), "internalDate": internal_date, "sizeEstimate": 999, "payload": payload }));
        entry.history.push((at, id.clone()));
        id
    }

    /// Whoever asks for a message is told of a fault, each time.
    pub fn spoils(&self, id: &str) {
        self.state().spoilt.push(id.to_owned());
    }

    /// Whoever asks for a message has it again.
    pub fn mends(&self, id: &str) {
        self.state().spoilt.retain(|spoilt| spoilt != id);
    }

    /// Days have passed since a message came.
    pub fn ages(&self, id: &str) {
        self.state().old.push(id.to_owned());
    }

    /// A message is deleted; its history stays.
    pub fn deletes(&self, mailbox: &str, id: &str) {
        let mut state = self.state();
        state.mailboxes.get_mut(mailbox).expect("a mailbox").messages.retain(|message| message["id"] != id);
    }

    /// The history up to now is forgotten.
    pub fn forgets_history(&self, mailbox: &str) {
        let mut state = self.state();
        let entry = state.mailboxes.get_mut(mailbox).expect("a mailbox");
        entry.history_id += 1;
        entry.oldest = entry.history_id;
    }

    /// What was sent from a mailbox: its thread, and the mail itself.
    pub fn sent(&self, mailbox: &str) -> Vec<(String, String)> {
        let state = self.state();
        let sent = state.mailboxes.get(mailbox).map(|entry| entry.sent.as_slice()).unwrap_or_default();
        let text = |raw: &[u8]| String::from_utf8(raw.to_vec()).expect("a text");
        sent.iter().map(|(message, raw)| (message["threadId"].as_str().unwrap_or_default().into(), text(raw))).collect()
    }

    /// What Pub/Sub posts when something happened in a mailbox.
    pub fn push_body(&self, mailbox: &str, message_id: &str) -> String {
        let history_id = self.state().mailboxes.get(mailbox).map_or(1, |entry| entry.history_id);
        let data = json!({ "emailAddress": mailbox, "historyId": history_id }).to_string();
        json!({ "message": { "data": URL_SAFE.encode(data), "messageId": message_id, "message_id": message_id,
            "publishTime": "2026-01-02T10:17:36.123Z" }, "subscription": "projects/project/subscriptions/mail" })
        .to_string()
    }

    /// The token that Pub/Sub sends with its pushes, signed at `now`, with some claims changed.
    pub fn push_token(&self, audience: &str, now: i64, changes: &Value) -> String {
        let mut claims = json!({ "aud": audience, "azp": "1", "email": ACCOUNT, "email_verified": true, "exp": now + 3_600,
            "iat": now, "iss": "https://accounts.google.com", "sub": "1" });
        for (name, value) in changes.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        let header = json!({ "alg": "RS256", "kid": KID, "typ": "JWT" });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; self.shared.key.public().modulus_len()];
        let random = SystemRandom::new();
        self.shared.key.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).expect("signed");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Whoever comes here allows it at once.
async fn consent(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Redirect {
    let address = format!("http://google.example/?{}", query.unwrap_or_default());
    let url = url::Url::parse(&address).expect("an address");
    let back = url.query_pairs().find(|(name, _)| name == "redirect_uri").expect("a way back").1.into_owned();
    let google = FakeGoogle { base_url: String::new(), shared };
    Redirect::to(&format!("{back}?{}", google.consents(&address, MAILBOX)))
}

/// A mail's payload as Gmail gives it: plain text, from somebody, with more headers.
pub fn plain(from: &str, subject: &str, message_id: &str, text: &str, more: &[(&str, &str)]) -> Value {
    let headers = [
        ("From", from),
        ("Subject", subject),
        ("Message-ID", message_id),
        ("Content-Type", "text/plain; charset=utf-8"),
    ];
    let headers: Vec<_> =
        headers.iter().chain(more).map(|(name, value)| json!({ "name": name, "value": value })).collect();
    json!({ "partId": "", "mimeType": "text/plain", "filename": "", "headers": headers,
        "body": { "size": text.len(), "data": URL_SAFE.encode(text) } })
}

impl Box_ {
    fn has_thread(&self, thread: &str) -> bool {
        let mut all = self.messages.iter().chain(self.sent.iter().map(|(message, _)| message));
        all.any(|message| message["threadId"] == thread)
    }
}

impl State_ {
    fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    fn note(&mut self, path: &'static str, what: Value) -> Option<Fault> {
        self.asked.push((path.to_owned(), what));
        self.faults.get_mut(path).and_then(VecDeque::pop_front)
    }

    fn granted(&mut self, mailbox: &str, scope: &str, with_refresh: bool) -> Value {
        let n = self.next();
        let access = format!("ya29.canary-{n}");
        self.access.insert(access.clone(), mailbox.to_owned());
        let mut granted =
            json!({ "access_token": access, "expires_in": 3_599, "scope": scope, "token_type": "Bearer" });
        if with_refresh {
            let refresh = format!("1//canary-{n}");
            self.refresh.insert(refresh.clone(), mailbox.to_owned());
            granted["refresh_token"] = refresh.into();
        }
        granted
    }
}

type Fake = State<Arc<Shared>>;

fn refused(status: u16, reason: &str) -> Response {
    let body = json!({ "error": { "code": status, "message": "no", "status": "X", "errors": [{ "reason": reason, "domain": "global" }] } });
    (StatusCode::from_u16(status).expect("a status"), Json(body)).into_response()
}

fn fault(fault: &Fault) -> Response {
    match fault {
        Fault::Answer(status, body) | Fault::Held(_, status, body) => {
            (StatusCode::from_u16(*status).expect("a status"), Json(body.clone())).into_response()
        }
        Fault::Lost | Fault::Silent => refused(503, "backendError"),
    }
}

fn form(body: &[u8]) -> HashMap<String, String> {
    url::form_urlencoded::parse(body).into_owned().collect()
}

async fn token(State(shared): Fake, body: Bytes) -> Response {
    let said = form(&body);
    let planned = shared.state.lock().expect("state").note("token", json!(said["grant_type"]));
    if let Some(Fault::Held(gate, ..)) = &planned {
        gate.passed().await;
    }
    if let Some(planned) = planned {
        return fault(&planned);
    }
    let mut state = shared.state.lock().expect("state");
    let no = |error: &str| {
        (StatusCode::BAD_REQUEST, Json(json!({ "error": error, "error_description": "no" }))).into_response()
    };
    if said["client_id"] != CLIENT_ID || said["client_secret"] != CLIENT_SECRET {
        return no("invalid_client");
    }
    if said["grant_type"] == "refresh_token" {
        let Some(mailbox) = state.refresh.get(&said["refresh_token"]).cloned() else { return no("invalid_grant") };
        return Json(state.granted(&mailbox, "x", false)).into_response();
    }
    let Some((mailbox, challenge, scope)) = state.codes.remove(&said["code"]) else { return no("invalid_grant") };
    let hash = ring::digest::digest(&ring::digest::SHA256, said["code_verifier"].as_bytes());
    if URL_SAFE_NO_PAD.encode(hash.as_ref()) != challenge {
        return no("invalid_grant");
    }
    let with_refresh = !state.without_refresh;
    Json(state.granted(&mailbox, &scope, with_refresh)).into_response()
}

async fn revoke(State(shared): Fake, body: Bytes) -> Response {
    let token = form(&body).remove("token").unwrap_or_default();
    let mut state = shared.state.lock().expect("state");
    if let Some(planned) = state.note("revoke", json!(null)) {
        return fault(&planned);
    }
    let known = state.refresh.remove(&token).or(state.access.remove(&token));
    if known.is_none() {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_token" }))).into_response();
    }
    Json(json!({})).into_response()
}

async fn certs(State(shared): Fake) -> Response {
    let mut state = shared.state.lock().expect("state");
    state.note("certs", json!(null));
    if state.hides_keys {
        return refused(503, "backendError");
    }
    let public = shared.key.public();
    let part = |bytes: Vec<u8>| URL_SAFE_NO_PAD.encode(bytes);
    let (n, e): (Vec<u8>, Vec<u8>) = {
        let parts = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(public);
        (parts.n, parts.e)
    };
    let _ = shared.key.public_key();
    let keys =
        json!({ "keys": [{ "kid": KID, "kty": "RSA", "alg": "RS256", "use": "sig", "n": part(n), "e": part(e) }] });
    ([(header::CACHE_CONTROL, "public, max-age=19800, must-revalidate")], Json(keys)).into_response()
}

/// Runs a call in the mailbox of its token.
fn inside(
    shared: &Shared,
    headers: &HeaderMap,
    path: &'static str,
    what: Value,
    work: impl FnOnce(&mut State_, &str) -> Response,
) -> Response {
    let mut state = shared.state.lock().expect("state");
    let planned = state.note(path, what);
    if let Some(planned @ Fault::Answer(..)) = &planned {
        return fault(planned);
    }
    let token = headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let Some(mailbox) = token.and_then(|token| state.access.get(token)).cloned() else {
        return refused(401, "authError");
    };
    let answer = work(&mut state, &mailbox);
    planned.as_ref().map_or(answer, fault)
}

fn mailbox_of<'s>(state: &'s mut State_, mailbox: &str) -> &'s mut Box_ {
    state.mailboxes.entry(mailbox.to_owned()).or_default()
}

async fn profile(State(shared): Fake, headers: HeaderMap) -> Response {
    inside(&shared, &headers, "profile", json!(null), |state, mailbox| {
        let entry = mailbox_of(state, mailbox);
        Json(json!({ "emailAddress": mailbox, "historyId": entry.history_id.to_string(),
            "messagesTotal": entry.messages.len(), "threadsTotal": 1 }))
        .into_response()
    })
}

async fn watch(State(shared): Fake, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    inside(&shared, &headers, "watch", body, |state, mailbox| {
        let history_id = mailbox_of(state, mailbox).history_id.to_string();
        Json(json!({ "historyId": history_id, "expiration": "1795867200000" })).into_response()
    })
}

async fn stop(State(shared): Fake, headers: HeaderMap) -> Response {
    let is_silent = {
        let state = shared.state.lock().expect("state");
        matches!(state.faults.get("stop").and_then(VecDeque::front), Some(Fault::Silent))
    };
    let answer = inside(&shared, &headers, "stop", json!(null), |_, _| StatusCode::NO_CONTENT.into_response());
    if is_silent { std::future::pending().await } else { answer }
}

async fn history(State(shared): Fake, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let said = form(query.unwrap_or_default().as_bytes());
    inside(&shared, &headers, "history", json!(said), |state, mailbox| {
        let entry = mailbox_of(state, mailbox);
        let Ok(start) = said["startHistoryId"].parse::<u64>() else { return refused(400, "invalidArgument") };
        if start < entry.oldest {
            return refused(404, "notFound");
        }
        let labels = |id: &str| {
            let message = entry.messages.iter().find(|message| message["id"] == id);
            message.map_or_else(|| json!(["INBOX"]), |message| message["labelIds"].clone())
        };
        // Pages of two, so that there are some.
        let from = said.get("pageToken").and_then(|page| page.parse::<usize>().ok()).unwrap_or(0);
        let all: Vec<_> = entry
            .history
            .iter()
            .filter(|(at, id)| {
                *at > start && labels(id).as_array().is_some_and(|labels| labels.contains(&json!("INBOX")))
            })
            .collect();
        let page: Vec<_> = all
            .iter()
            .skip(from)
            .take(2)
            .map(|(at, id)| {
                let message = json!({ "id": id, "threadId": "t", "labelIds": labels(id) });
                json!({ "id": at.to_string(), "messages": [message], "messagesAdded": [{ "message": message }] })
            })
            .collect();
        let mut answer = json!({ "historyId": entry.history_id.to_string() });
        if !page.is_empty() {
            answer["history"] = page.into();
        }
        if all.len() > from + 2 {
            answer["nextPageToken"] = (from + 2).to_string().into();
        }
        Json(answer).into_response()
    })
}

async fn list(State(shared): Fake, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let said = form(query.unwrap_or_default().as_bytes());
    inside(&shared, &headers, "list", json!(said), |state, mailbox| {
        let old = state.old.clone();
        let is_anywhere = !said["q"].contains("in:inbox");
        let is_found = |message: &&Value| {
            let labels = message["labelIds"].as_array();
            let is_old = old.iter().any(|id| message["id"] == id.as_str());
            !is_old && (is_anywhere || labels.is_some_and(|labels| labels.contains(&json!("INBOX"))))
        };
        let messages: Vec<_> = mailbox_of(state, mailbox)
            .messages
            .iter()
            .rev()
            .filter(is_found)
            .map(|message| json!({ "id": message["id"], "threadId": message["threadId"] }))
            .collect();
        Json(json!({ "messages": messages, "resultSizeEstimate": messages.len() })).into_response()
    })
}

async fn message(State(shared): Fake, headers: HeaderMap, Path(id): Path<String>) -> Response {
    inside(&shared, &headers, "message", json!(id), |state, mailbox| {
        if state.spoilt.contains(&id) {
            return refused(500, "backendError");
        }
        let found = mailbox_of(state, mailbox).messages.iter().find(|message| message["id"] == id.as_str());
        found.map_or_else(|| refused(404, "notFound"), |message| Json(message.clone()).into_response())
    })
}

async fn attachment(State(shared): Fake, headers: HeaderMap, Path((_, part)): Path<(String, String)>) -> Response {
    inside(&shared, &headers, "attachment", json!(part), |_, _| {
        let text = format!("The text of {part}.");
        Json(json!({ "size": text.len(), "data": URL_SAFE.encode(text) })).into_response()
    })
}

async fn thread(State(shared): Fake, headers: HeaderMap, Path(id): Path<String>) -> Response {
    inside(&shared, &headers, "thread", json!(id), |state, mailbox| {
        let entry = mailbox_of(state, mailbox);
        let all = entry.messages.iter().chain(entry.sent.iter().map(|(message, _)| message));
        let messages: Vec<_> = all.filter(|message| message["threadId"] == id.as_str()).cloned().collect();
        if messages.is_empty() {
            return refused(404, "notFound");
        }
        Json(json!({ "id": id, "historyId": "1", "messages": messages })).into_response()
    })
}

async fn send(State(shared): Fake, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    inside(&shared, &headers, "send", json!(body["threadId"]), |state, mailbox| {
        let Ok(raw) = URL_SAFE.decode(body["raw"].as_str().unwrap_or_default()) else {
            return refused(400, "invalidArgument");
        };
        let text = String::from_utf8_lossy(&raw).into_owned();
        let head = text.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n\t", " ");
        let header = |line: &str| line.split_once(": ").map(|(name, value)| json!({ "name": name, "value": value }));
        let id = format!("{:016x}", state.next());
        let entry = mailbox_of(state, mailbox);
        let thread = match body["threadId"].as_str() {
            Some(thread) if !entry.has_thread(thread) => return refused(404, "notFound"),
            Some(thread) => thread.to_owned(),
            // It begins one.
            None => id.clone(),
        };
        let message = json!({ "id": id, "threadId": thread, "labelIds": ["SENT"],
            "payload": { "headers": head.split("\r\n").filter_map(header).collect::<Vec<_>>() } });
        entry.sent.push((message, raw));
        Json(json!({ "id": id, "threadId": thread, "labelIds": ["SENT"] })).into_response()
    })
}
