//! Phone providers as they post: what they say, signed as they sign it.

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{RequestBuilder, Response};
use ring::{
    hmac,
    signature::{Ed25519KeyPair, KeyPair},
};
use serde_json::{Value, json};

use super::{Actor, Gateway, Tenant};

/// An account at Telnyx.
pub struct Account(pub Ed25519KeyPair);

impl Account {
    pub fn new(seed: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("a key"))
    }

    pub fn key(&self) -> String {
        STANDARD.encode(self.0.public_key().as_ref())
    }

    /// A request with its body, signed at `at` (Unix seconds).
    pub fn signs(&self, request: RequestBuilder, body: &str, at: i64) -> RequestBuilder {
        let signature = self.0.sign(format!("{at}|{body}").as_bytes());
        request
            .header("content-type", "application/json")
            .header("telnyx-signature-ed25519", STANDARD.encode(signature.as_ref()))
            .header("telnyx-timestamp", at.to_string())
            .body(body.to_owned())
    }

    pub async fn posts(&self, gateway: &Gateway, body: &str, at: i64) -> Response {
        let request = gateway.http.post(gateway.url("/api/v1/telnyx/sms"));
        self.signs(request, body, at).send().await.expect("an answer")
    }
}

/// A message of a customer's, as Telnyx puts it.
pub fn says(event: &str, from: &str, to: &str, text: &str) -> String {
    json!({ "data": { "id": event, "event_type": "message.received", "record_type": "event", "payload": {
        "direction": "inbound", "id": event, "type": "SMS", "text": text,
        "from": { "phone_number": from }, "to": [{ "phone_number": to }] } } })
    .to_string()
}

/// What became of a text, as Telnyx puts it.
pub fn receipt(event: &str, from: &str, text: &str, status: &str) -> String {
    json!({ "data": { "id": event, "event_type": "message.finalized", "record_type": "event", "payload": {
        "direction": "outbound", "id": text, "from": { "phone_number": from },
        "to": [{ "phone_number": "+15555550111", "status": status }],
        "errors": [{ "code": "40008", "title": "Undeliverable" }] } } })
    .to_string()
}

/// A customer's question, as Telnyx puts it.
pub fn message(event: &str, to: &str) -> String {
    says(event, "+15555550111", to, "Any room on Saturday?")
}

/// A form of Twilio's, posted to its address.
pub async fn twilio_posts(gateway: &Gateway, token: &str, fields: &[(&str, &str)]) -> Response {
    twilio_posts_to(gateway, token, "/api/v1/twilio/sms", fields).await
}

/// As [`twilio_posts`], to an address of ours with a query.
pub async fn twilio_posts_to(gateway: &Gateway, token: &str, path: &str, fields: &[(&str, &str)]) -> Response {
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    let url = format!("https://chat.example.test{path}");
    let signed = sorted.iter().fold(url, |signed, (name, value)| signed + name + value);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
    gateway
        .http
        .post(gateway.url(path))
        .header("x-twilio-signature", STANDARD.encode(hmac::sign(&key, signed.as_bytes())))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish())
        .send()
        .await
        .expect("an answer")
}

pub async fn set_sms(admin: &Actor<'_>, input: Value) {
    let document = "mutation($i: SmsSettingsInput!) { updateSmsSettings(input: $i) { isEnabled } }";
    let answer = admin.ask(document, json!({ "i": input })).await;
    assert!(answer.get("errors").is_none(), "{answer}");
}

/// A tenant with a number and an account of its own.
pub async fn with_number<'g>(tenant: &Tenant<'g>, number: &str, account: &Account) -> Actor<'g> {
    let admin = tenant.admin().await;
    set_sms(&admin, json!({ "isEnabled": true, "telnyxPhoneNumber": number, "telnyxPublicKey": account.key() })).await;
    admin
}
