//! Phone providers as they post: what they say, signed as they sign it.

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::Response;
use ring::{
    hmac,
    signature::{Ed25519KeyPair, KeyPair},
};
use serde_json::{Value, json};

use crate::support::{Actor, Gateway, Tenant};

/// An account at Telnyx.
pub struct Account(pub Ed25519KeyPair);

impl Account {
    pub fn new(seed: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("a key"))
    }

    pub fn key(&self) -> String {
        STANDARD.encode(self.0.public_key().as_ref())
    }

    pub async fn posts(&self, gateway: &Gateway, body: &str, at: i64) -> Response {
        let signature = self.0.sign(format!("{at}|{body}").as_bytes());
        gateway
            .http
            .post(gateway.url("/api/v1/telnyx/sms"))
            .header("content-type", "application/json")
            .header("telnyx-signature-ed25519", STANDARD.encode(signature.as_ref()))
            .header("telnyx-timestamp", at.to_string())
            .body(body.to_owned())
            .send()
            .await
            .expect("an answer")
    }
}

/// A message of a customer's, as Telnyx puts it.
pub fn message(event: &str, to: &str) -> String {
    json!({ "data": { "id": event, "event_type": "message.received", "record_type": "event", "payload": {
        "direction": "inbound", "id": "m", "type": "SMS", "text": "Any room on Saturday?",
        "from": { "phone_number": "+15555550111" }, "to": [{ "phone_number": to }] } } })
    .to_string()
}

pub async fn twilio_posts(gateway: &Gateway, token: &str, fields: &[(&str, &str)]) -> Response {
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    let url = "https://chat.example.test/api/v1/twilio/sms";
    let signed = sorted.iter().fold(url.to_owned(), |signed, (name, value)| signed + name + value);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
    gateway
        .http
        .post(gateway.url("/api/v1/twilio/sms"))
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
