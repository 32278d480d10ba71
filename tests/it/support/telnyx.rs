//! Telnyx, as it posts to us: signed by an account, at the time of the test.

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::Response;
use ring::signature::Ed25519KeyPair;
use serde_json::{Value, json};

use super::{Actor, Gateway, Tenant, phones::Account};

/// The call that most stories are of.
pub const CALL: &str = "v3:FAKEccid";
/// Who calls.
pub const CALLER: &str = "+15555550111";
/// Whom they call.
pub const LINE: &str = "+15555550122";
/// Who answers.
pub const ASSISTANT: &str = "assistant-00000000-0000-4000-8000-000000000002";

impl Account {
    /// The account of the recorded signatures.
    pub fn recorded() -> Self {
        let vectors: Value =
            serde_json::from_str(include_str!("../../vectors/telnyx-ed25519.json")).expect("the vectors");
        let seed = STANDARD.decode(vectors["private_seed_base64"].as_str().expect("a seed")).expect("base64");
        let account = Self(Ed25519KeyPair::from_seed_unchecked(&seed).expect("a key"));
        assert_eq!(vectors["cases"][0]["public_key"], account.key());
        account
    }

    /// Posts a body, signed now.
    pub async fn posts_to(&self, gateway: &Gateway, path: &str, body: &str, call: Option<&str>) -> Response {
        let at = gateway.clock.now().timestamp();
        let signature = self.0.sign(format!("{at}|{body}").as_bytes());
        let kind = if body.starts_with('{') { "application/json" } else { "application/x-www-form-urlencoded" };
        let request = gateway
            .http
            .post(gateway.url(&format!("/api/v1/telnyx/{path}")))
            .header("content-type", kind)
            .header("telnyx-signature-ed25519", STANDARD.encode(signature.as_ref()))
            .header("telnyx-timestamp", at.to_string())
            .body(body.to_owned());
        let request = call.into_iter().fold(request, |request, call| request.header("x-telnyx-call-control-id", call));
        request.send().await.expect("an answer")
    }

    /// Posts JSON that is answered by JSON.
    pub async fn asks(&self, gateway: &Gateway, path: &str, body: &Value, call: Option<&str>) -> Value {
        let response = self.posts_to(gateway, path, &body.to_string(), call).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.expect("JSON")
    }
}

/// An event in Telnyx's envelope.
pub fn event(id: &str, kind: &str, at: &str, payload: Value) -> Value {
    let data = json!({ "record_type": "event", "id": id, "event_type": kind, "occurred_at": at, "payload": payload });
    json!({ "data": data, "meta": { "attempt": 1, "delivered_to": "https://chat.example.test" } })
}

/// A call begins.
pub fn beginning(is_attested: bool) -> Value {
    let payload = json!({ "telnyx_conversation_channel": "phone_call", "telnyx_agent_target": LINE,
        "telnyx_end_user_target": CALLER, "telnyx_end_user_target_verified": is_attested, "call_control_id": CALL,
        "assistant_id": ASSISTANT });
    event("init-1", "assistant.initialization", "2026-11-21T12:00:00Z", payload)
}

/// A tenant that is reached by phone, with an account of its own.
pub async fn with_line<'g>(tenant: &Tenant<'g>, account: &Account, line: &str, assistant: &str) -> Actor<'g> {
    let admin = tenant.admin().await;
    let document = "mutation($key: String, $line: PhoneNumber, $assistant: String) { \
        updateSmsSettings(input: { telnyxPublicKey: $key }) { isEnabled } \
        updateVoiceSettings(input: { isEnabled: true, phoneNumber: $line, assistantId: $assistant }) { isEnabled } }";
    let variables = json!({ "key": account.key(), "line": line, "assistant": assistant });
    let answer = admin.ask(document, variables).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    admin
}

/// How often something was counted.
pub async fn counted(gateway: &Gateway, line: &str) -> String {
    let text = gateway.http.get(gateway.url("/metrics")).send().await.expect("an answer").text().await.expect("text");
    let found = text.lines().find(|counted| counted.starts_with(line)).unwrap_or_else(|| panic!("no {line} in {text}"));
    found.rsplit(' ').next().expect("a number").to_owned()
}
