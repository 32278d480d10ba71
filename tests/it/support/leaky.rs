//! A server that leaks, as seen from outside: the real one behind a proxy that distorts questions or answers in one named
//! way. It learns tokens as they go by, as a careless server holds everything in one place. The first tenant whose
//! administrator signs in is the one that leaks to the others.

use std::sync::{Arc, Mutex};

use axum::{Json, Router, extract::State, http::HeaderMap, routing::post};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::Gateway;

/// What leaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leak {
    /// Nothing: the proxy itself must not be what is found.
    Nothing,
    /// Nothing either, but what the tenants are prepared with can't be made.
    PromptsBroken,
    /// Nothing either, but what comes back is no answer.
    SearchBroken,
    SignatureIgnored,
    ClaimsBelieved,
    HeaderObeyed,
    TenantAssumed,
    HeaderIgnored,
    VisitUnrecorded,
    LeaseWrites,
    LeaseGoodAnywhere,
    LeaseOutlivesItsEnd,
    LeaseToldToOthers,
    Prompt,
    Bundle,
    Lead,
    Node,
    Search,
    Count,
    ForeignWrite,
    ForeignIdToldApart,
    Conversation,
    SentInto,
    Knowledge,
    Users,
    VisitorTakenForStaff,
    OriginIgnored,
    ConflictNamesTheTenant,
    AddressesCrossed,
    SecretShown,
    DeactivatedWorks,
    DeactivatedSignsIn,
}

/// Starts the proxy; gives its URL.
pub async fn before(gateway: &Gateway, leak: Leak) -> String {
    let seen = Mutex::default();
    let proxy = Arc::new(Proxy { leak, graph: gateway.url("/graphql"), http: gateway.http.clone(), seen });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    let router = Router::new().route("/graphql", post(pass)).with_state(proxy);
    #[expect(clippy::disallowed_methods, reason = "a test's helper has no log context to keep")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

struct Proxy {
    leak: Leak,
    graph: String,
    http: reqwest::Client,
    seen: Mutex<Seen>,
}

/// What went by.
#[derive(Default)]
struct Seen {
    /// Tokens that were issued, oldest first.
    tokens: Vec<String>,
    /// Addresses, and the answers to their sign-ins.
    logins: Vec<(Value, Value)>,
    secret: Option<String>,
    is_lease_ended: bool,
}

#[derive(Clone)]
struct Asked {
    query: String,
    variables: Value,
    token: Option<String>,
    tenant: Option<String>,
    origin: Option<String>,
}

async fn pass(State(proxy): State<Arc<Proxy>>, headers: HeaderMap, Json(body): Json<Value>) -> Json<Value> {
    let header = |name| headers.get(name).map(|value| value.to_str().expect("text").to_owned());
    let asked = Asked {
        query: body["query"].as_str().expect("a document").to_owned(),
        variables: body["variables"].clone(),
        token: header("authorization").map(|text| text.trim_start_matches("Bearer ").to_owned()),
        tenant: header("x-tenant-id"),
        origin: header("origin"),
    };
    let asked = proxy.distorted(asked);
    let mut answer = proxy.ask(&asked).await;
    proxy.learn(&asked, &answer);
    proxy.distort(&asked, &mut answer).await;
    Json(answer)
}

/// What a token says, unverified.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap_or_default();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap_or_default()).unwrap_or_default()
}

impl Asked {
    fn asks(&self, text: &str) -> bool {
        self.query.contains(text)
    }
    /// The tenant in the caller's token; none for the administrator.
    fn own(&self) -> Option<i64> {
        claims(self.token.as_deref()?)["tenant_id"].as_i64()
    }
    fn is_lease(&self) -> bool {
        self.token.as_deref().is_some_and(|token| claims(token)["act"].is_object())
    }
}

impl Proxy {
    async fn ask(&self, asked: &Asked) -> Value {
        let body = json!({ "query": asked.query, "variables": asked.variables });
        let mut request = self.http.post(&self.graph).json(&body);
        if let Some(token) = &asked.token {
            request = request.bearer_auth(token);
        }
        if let Some(tenant) = &asked.tenant {
            request = request.header("x-tenant-id", tenant);
        }
        if let Some(origin) = &asked.origin {
            request = request.header("origin", origin);
        }
        request.send().await.expect("an answer").json().await.expect("JSON")
    }

    fn learn(&self, asked: &Asked, answer: &Value) {
        let mut seen = self.seen.lock().expect("unpoisoned");
        for place in ["login", "impersonateTenant", "startVisitorSession"] {
            let token = answer.pointer(&format!("/data/{place}/accessToken")).and_then(Value::as_str);
            seen.tokens.extend(token.map(str::to_owned));
        }
        if asked.asks("login(") && answer.get("errors").is_none() {
            seen.logins.push((asked.variables["input"]["email"].clone(), answer.clone()));
        }
        if let Some(secret) = asked.variables.pointer("/input/telnyxApiKey").and_then(Value::as_str) {
            seen.secret = Some(secret.to_owned());
        }
        seen.is_lease_ended |= asked.asks("endImpersonation(");
    }

    /// The first token that fits.
    fn token(&self, fits: impl Fn(&str, &Value) -> bool) -> Option<String> {
        let seen = self.seen.lock().expect("unpoisoned");
        seen.tokens.iter().find(|token| fits(token, &claims(token))).cloned()
    }

    /// The same, asked by the administrator of the platform in this tenant.
    fn as_root(&self, asked: Asked, tenant: Option<String>) -> Asked {
        Asked { token: self.token(|_, claims| claims["tenant_id"].is_null()), tenant, ..asked }
    }

    /// The same, asked by the first tenant's administrator; none if the caller is of that tenant, or of none.
    fn as_first(&self, asked: &Asked) -> Option<Asked> {
        let token = self.token(|_, claims| claims["role"] == "TENANT_ADMIN")?;
        let is_other = asked.own().is_some_and(|own| claims(&token)["tenant_id"] != own);
        is_other.then(|| Asked { token: Some(token), ..asked.clone() })
    }

    /// The question, as it goes on.
    fn distorted(&self, asked: Asked) -> Asked {
        let own = asked.own().map(|own| own.to_string());
        let first = || {
            let token = self.token(|_, claims| claims["role"] == "TENANT_ADMIN")?;
            Some(claims(&token)["tenant_id"].to_string())
        };
        let is_root = asked.token.is_some() && own.is_none();
        match self.leak {
            Leak::SignatureIgnored => {
                let payload = |token: &str| token.split('.').nth(1).map(str::to_owned);
                let same = |token: &str| payload(token) == asked.token.as_deref().and_then(payload);
                Asked { token: self.token(|token, _| same(token)).or(asked.token.clone()), ..asked }
            }
            Leak::ClaimsBelieved => {
                let is_issued = self.token(|token, _| asked.token.as_deref() == Some(token)).is_some();
                if is_issued || own.is_none() { asked } else { self.as_root(asked, own) }
            }
            Leak::HeaderObeyed if asked.tenant.is_some() && own.is_some() && !asked.is_lease() => {
                let tenant = asked.tenant.clone();
                self.as_root(asked, tenant)
            }
            Leak::TenantAssumed if is_root && asked.asks("{ leads") => {
                Asked { tenant: asked.tenant.clone().or_else(first), ..asked }
            }
            Leak::HeaderIgnored if is_root && asked.tenant.is_some() && !asked.asks("mutation") => {
                Asked { tenant: first().or(asked.tenant.clone()), ..asked }
            }
            Leak::VisitorTakenForStaff
                if asked.token.as_deref().is_some_and(|token| claims(token)["typ"] == "visitor") =>
            {
                let staff =
                    |_: &str, claims: &Value| claims["role"] == "USER" && Some(claims["tenant_id"].to_string()) == own;
                Asked { token: self.token(staff), ..asked }
            }
            Leak::OriginIgnored => Asked { origin: None, ..asked },
            Leak::LeaseWrites if asked.is_lease() && asked.asks("mutation") => self.as_root(asked, own),
            Leak::LeaseGoodAnywhere if asked.is_lease() && asked.tenant.is_some() => {
                let tenant = asked.tenant.clone();
                self.as_root(asked, tenant)
            }
            Leak::LeaseOutlivesItsEnd if asked.is_lease() && self.seen.lock().expect("unpoisoned").is_lease_ended => {
                self.as_root(asked, own)
            }
            _ => asked,
        }
    }

    /// The answer, as it comes back.
    async fn distort(&self, asked: &Asked, answer: &mut Value) {
        let code = answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_default().to_owned();
        let is_refused = !code.is_empty();
        match self.leak {
            Leak::PromptsBroken if asked.asks("setupPrompt(") => *answer = Value::Null,
            Leak::SearchBroken if asked.asks("searchKnowledge(") => *answer = Value::Null,
            Leak::VisitUnrecorded if asked.asks("auditLog(filter") => {
                answer["data"]["auditLog"] = json!({ "nodes": [], "totalCount": 0 });
            }
            Leak::LeaseToldToOthers => self.instead(asked, answer, asked.asks("impersonations(")).await,
            Leak::Bundle => self.instead(asked, answer, asked.asks("promptBundle(id: $id) { id }")).await,
            Leak::Lead => self.instead(asked, answer, asked.asks(" lead(id: $id) { id }")).await,
            Leak::Node => self.instead(asked, answer, asked.asks("node(id")).await,
            Leak::Conversation => self.instead(asked, answer, asked.asks(" conversation(id: $id) { id }")).await,
            Leak::ForeignWrite => self.instead(asked, answer, is_refused && asked.asks("updateLead(")).await,
            Leak::SentInto => self.instead(asked, answer, is_refused && asked.asks("sendMessage(")).await,
            Leak::Prompt => self.more(asked, answer, "/data/composedPrompt/text").await,
            Leak::Search if asked.asks("leads(filter") => self.more(asked, answer, "/data/leads/nodes").await,
            Leak::Count if asked.asks("leads(first") => self.more(asked, answer, "/data/leads/totalCount").await,
            Leak::Knowledge => self.more(asked, answer, "/data/searchKnowledge").await,
            Leak::Users if asked.asks("users(first") => self.more(asked, answer, "/data/users/nodes").await,
            Leak::ForeignIdToldApart if asked.asks("deleteLead(") => {
                let look = "query($id: ID!) { lead(id: $id) { id } }".to_owned();
                if let Some(first) = self.as_first(&Asked { query: look, ..asked.clone() })
                    && self.ask(&first).await["data"]["lead"].is_object()
                {
                    answer["errors"][0]["message"] = json!("This lead is not yours.");
                }
            }
            Leak::ConflictNamesTheTenant if code == "CONFLICT" => {
                let query = "{ tenant { name } }".to_owned();
                let first = self.as_first(&Asked { query, ..asked.clone() }).expect("a first tenant");
                let name = self.ask(&first).await["data"]["tenant"]["name"].clone();
                answer["errors"][0]["message"] = json!(format!("{name} has this number."));
            }
            Leak::AddressesCrossed => {
                if let (Some(first), Some(own)) = (self.as_first(asked), asked.own()) {
                    let theirs = first.own().expect("a tenant");
                    let text = answer.to_string().replace(&format!("tenant_id={own}"), &format!("tenant_id={theirs}"));
                    *answer = serde_json::from_str(&text).expect("JSON");
                }
            }
            Leak::SecretShown => {
                let secret = self.seen.lock().expect("unpoisoned").secret.clone();
                if let Some(status) = answer.pointer_mut("/data/tenant/sms/telnyxApiKey")
                    && status["isSet"] == true
                {
                    status["lastFour"] = json!(secret);
                }
            }
            Leak::DeactivatedWorks if code == "TENANT_INACTIVE" && asked.token.is_some() => {
                let own = asked.own().map(|own| own.to_string());
                *answer = self.ask(&self.as_root(asked.clone(), own)).await;
            }
            Leak::DeactivatedSignsIn if code == "TENANT_INACTIVE" && asked.token.is_none() => {
                let seen = self.seen.lock().expect("unpoisoned");
                let before = seen.logins.iter().find(|(email, _)| *email == asked.variables["input"]["email"]);
                *answer = before.expect("a sign-in before").1.clone();
            }
            _ => {}
        }
    }

    /// What the first tenant is answered, in place of what another is.
    async fn instead(&self, asked: &Asked, answer: &mut Value, applies: bool) {
        if let Some(first) = self.as_first(asked).filter(|_| applies) {
            *answer = self.ask(&first).await;
        }
    }

    /// What the first tenant is answered at this place, behind what another is.
    async fn more(&self, asked: &Asked, answer: &mut Value, place: &str) {
        let Some(own) = answer.pointer_mut(place) else { return };
        let Some(first) = self.as_first(asked) else { return };
        let Some(theirs) = self.ask(&first).await.pointer(place).cloned() else { return };
        *own = match (own.take(), theirs) {
            (Value::Array(own), Value::Array(theirs)) => Value::Array([own, theirs].concat()),
            (Value::String(own), Value::String(theirs)) => Value::String(own + &theirs),
            (own, theirs) => json!(own.as_i64().expect("a number") + theirs.as_i64().expect("a number")),
        };
    }
}
