//! A tenant whose mailbox is at the stand-in for Google.

use reqwest::{Response, redirect::Policy};
use serde_json::{Value, json};

use super::{
    Actor, Gateway, Plan, Tenant, cluster,
    fake_google::{FakeGoogle, plain},
};

pub const DESK: &str = "front.desk@exampleco.test";
/// Who writes.
pub const PAT: &str = "\"Pat Doe\" <pat@parent.test>";
pub const START: &str =
    "mutation($to: String) { startEmailConnection(input: { returnTo: $to }) { authorizationUrl state } }";
const AUDIENCE: &str = "https://chat.example.test/api/v1/email/pubsub";

/// A server that knows Google by the stand-in.
pub async fn gateway(google: &FakeGoogle) -> Gateway {
    planned(google, Plan::default()).await
}

pub async fn planned(google: &FakeGoogle, plan: Plan) -> Gateway {
    let mut settings = google.settings();
    settings.push(("PUBLIC_URL", "https://chat.example.test".to_owned()));
    settings.extend(plan.settings.clone());
    Gateway::planned(Plan { settings, ..plan }).await
}

/// Where an administrator is sent.
pub async fn sent_out(admin: &Actor<'_>, return_to: Option<&str>) -> Value {
    let answer = admin.ask(START, json!({ "to": return_to })).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    answer["data"]["startEmailConnection"].clone()
}

/// Comes back from Google.
pub async fn comes_back(gateway: &Gateway, query: &str) -> Response {
    let browser = reqwest::Client::builder().redirect(Policy::none()).build().expect("a client");
    let url = gateway.url(&format!("/api/v1/email/oauth/callback?{query}"));
    browser.get(url).send().await.expect("an answer")
}

/// Connects a mailbox and switches it on.
pub async fn connect(google: &FakeGoogle, admin: &Actor<'_>, mailbox: &str) {
    let sent = sent_out(admin, None).await;
    let query = google.consents(sent["authorizationUrl"].as_str().expect("an address"), mailbox);
    let page = comes_back(admin.gateway, &query).await;
    let said = page.text().await.expect("a page");
    assert!(said.contains("is connected"), "{said}");
    admin.data("mutation { updateEmailSettings(input: { isEnabled: true }) { isEnabled } }").await;
}

/// A tenant with a mailbox that is answered from.
pub async fn with_mailbox<'g>(google: &FakeGoogle, tenant: &Tenant<'g>) -> Actor<'g> {
    let admin = tenant.admin().await;
    connect(google, &admin, DESK).await;
    tenant.gateway.work().await;
    admin
}

/// Pub/Sub pushes a body, with the token of our subscription but for some claims.
pub async fn pushes_as(google: &FakeGoogle, gateway: &Gateway, body: &str, changes: Value) -> Response {
    let token = google.push_token(AUDIENCE, gateway.clock.now().timestamp(), &changes);
    post(gateway, body, Some(&format!("Bearer {token}"))).await
}

pub async fn post(gateway: &Gateway, body: &str, authorization: Option<&str>) -> Response {
    let mut request = gateway.http.post(gateway.url("/api/v1/email/pubsub")).body(body.to_owned());
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    request.send().await.expect("an answer")
}

/// Something happened in the mailbox: it is pushed, and worked on.
pub async fn told(google: &FakeGoogle, gateway: &Gateway, id: &str) {
    let pushed = pushes_as(google, gateway, &google.push_body(DESK, id), json!({})).await;
    assert_eq!(pushed.status(), 204);
    gateway.work().await;
}

/// A mail of Pat's.
pub fn asks(id: &str, text: &str) -> Value {
    plain(PAT, "Saturday lessons?", &format!("<{id}@mail.parent.test>"), text, &[])
}

/// How far the mailbox was read.
pub async fn place(gateway: &Gateway) -> String {
    let rows = cluster::owner(&gateway.database).await;
    rows.query_one("SELECT history_id FROM email_settings", &[]).await.expect("a row").get(0)
}

/// How the mailbox stands.
pub async fn settings(actor: &Actor<'_>) -> Value {
    let fields = "{ tenant { email { isEnabled connectedAddress connectedAt watchExpiresAt status statusReason } } }";
    actor.data(fields).await["tenant"]["email"].clone()
}

/// What was said by mail.
pub async fn conversations(actor: &Actor<'_>) -> Value {
    let fields = "{ conversations(orderBy: { field: CREATED_AT, direction: ASC }) { nodes { channel status subject \
        lead { name email source } messages { nodes { role status content } } } } }";
    actor.data(fields).await["conversations"]["nodes"].clone()
}
