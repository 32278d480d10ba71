//! A business whose customers text, for stories about them.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{
    Actor, Gateway, Plan, Tenant,
    fake_model::{FakeModel, Script as ModelScript},
    fake_phones::FakePhones,
    phones::{Account, says, set_sms},
};

pub const OURS: &str = "+15555550122";
pub const THEIRS: &str = "+15555550111";
pub const TOKEN: &str = "12345678901234567890123456789012";
pub const SID: &str = "AC0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";

/// Everything that there is to see of the customers who texted.
pub const SEEN: &str =
    "{ conversations(first: 5, filter: { channel: [SMS] }, orderBy: { field: CREATED_AT, direction: ASC }) { nodes {
    status lead { phone source }
    messages(first: 30) { nodes { role status content texts { provider to content status failure } } } } } }";

/// A tenant that answers texts at Telnyx, and the providers that carry them.
pub struct Shop<'g> {
    pub gateway: &'g Gateway,
    pub tenant: Tenant<'g>,
    pub admin: Actor<'g>,
    pub account: Account,
}

impl<'g> Shop<'g> {
    pub async fn open(gateway: &'g Gateway) -> Self {
        let (tenant, account) = (gateway.tenant("acme").await, Account::new(1));
        let admin = tenant.admin().await;
        let settings = json!({ "isEnabled": true, "telnyxPhoneNumber": OURS, "telnyxPublicKey": account.key(),
            "telnyxApiKey": "KEY_FAKE_0123456789", "telnyxMessagingProfileId": "profile-1",
            "twilioPhoneNumber": "+15555550123", "twilioAccountSid": SID, "twilioAuthToken": TOKEN });
        set_sms(&admin, settings).await;
        Self { gateway, tenant, admin, account }
    }

    /// Telnyx posts an event.
    pub async fn posted(&self, body: &str) {
        let at = self.gateway.clock.now().timestamp();
        assert_eq!(self.account.posts(self.gateway, body, at).await.status(), StatusCode::OK);
    }

    /// A customer writes, and what follows from it is done.
    pub async fn hears(&self, event: &str, from: &str, text: &str) {
        self.posted(&says(event, from, OURS, text)).await;
        self.gateway.work().await;
    }

    /// What an administrator sees who has just signed in: hours may have passed.
    pub async fn seen(&self) -> Value {
        self.gateway.sign_in("admin@acme.example").await.data(SEEN).await["conversations"]["nodes"].clone()
    }

    /// Roles of what was said with the customer who wrote first.
    pub async fn roles(&self) -> Vec<String> {
        let seen = self.seen().await;
        let messages = seen[0]["messages"]["nodes"].as_array().expect("messages").clone();
        messages.iter().map(|message| message["role"].as_str().expect("a role").to_owned()).collect()
    }

    pub async fn deliveries(&self) -> Value {
        let document = "{ webhookDeliveries { nodes { eventId status attempts lastError } } }";
        self.admin.data(document).await["webhookDeliveries"]["nodes"].clone()
    }
}

pub async fn carried() -> (FakePhones, Gateway) {
    let phones = FakePhones::start().await;
    let gateway = Gateway::planned(Plan { settings: phones.settings(), ..Plan::default() }).await;
    (phones, gateway)
}

pub fn answers(text: &str) -> ModelScript {
    ModelScript::Bytes(format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{}}},\"finish_reason\":\"stop\"}}]}}\n\n\
         data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":9,\"completion_tokens\":3,\"total_tokens\":12}}}}\n\n\
         data: [DONE]\n\n",
        json!(text)
    ))
}

/// As [`carried`], with a model that answers `text`.
pub async fn modelled(script: ModelScript) -> (FakePhones, FakeModel, Gateway) {
    let (phones, model) = (FakePhones::start().await, FakeModel::start(script).await);
    let plan = Plan { settings: phones.settings(), model: Some(model.base_url.clone()), ..Plan::default() };
    (phones, model, Gateway::planned(plan).await)
}
