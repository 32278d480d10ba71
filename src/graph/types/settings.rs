//! How a tenant is reached, where its assistant looks for passages, and who writes its replies. Must not hold a secret: a
//! secret goes in, and that it is set comes out.

use async_graphql::{InputObject, MaybeUndefined, SimpleObject};
use secrecy::SecretString;

use crate::{
    context::Services,
    db::tables::{provisioning::Provisioned, secrets::SecretRow},
    domain::{
        models::{GEMINI_API_KEY, ModelEdit, OPENAI_API_KEY},
        settings::{
            PINECONE_API_KEY, RetrievalEdit, SecretEdit, SmsEdit, TELNYX_API_KEY, TWILIO_AUTH_TOKEN, TWILIO_SHARED_KEY,
            VoiceEdit,
        },
    },
    graph::{
        scalars::{DateTime, PhoneNumber},
        types::{change, given},
    },
    kernel::{
        failure::Refusal,
        ids::TenantId,
        vocabulary::{ModelProvider, RetrievalProvider, SearchLanguage, SmsAnswerer},
    },
};

/// That a secret is set. The secret itself is write-only.
#[derive(SimpleObject)]
pub struct SecretStatus {
    /// Whether it is set.
    is_set: bool,
    /// Its last four characters, where it is long enough for them to tell nothing more.
    last_four: Option<String>,
    /// When it was set.
    updated_at: Option<DateTime>,
}

impl From<Option<&SecretRow>> for SecretStatus {
    fn from(secret: Option<&SecretRow>) -> Self {
        Self {
            is_set: secret.is_some(),
            last_four: secret.and_then(|secret| secret.last_four.clone()),
            updated_at: secret.map(|secret| DateTime(secret.updated_at)),
        }
    }
}

/// An address of ours to be entered at a provider.
#[derive(SimpleObject)]
pub struct WebhookUrl {
    /// What it is for.
    purpose: &'static str,
    /// The address.
    url: String,
}

fn url(services: &Services, purpose: &'static str, path: &str) -> WebhookUrl {
    WebhookUrl { purpose, url: format!("{}/api/v1/{path}", services.public_url) }
}

/// How the tenant is reached by text message.
#[derive(SimpleObject)]
pub struct SmsSettings {
    /// Whether the assistant answers.
    is_enabled: bool,
    /// The number at Telnyx.
    telnyx_phone_number: Option<PhoneNumber>,
    /// The messaging profile at Telnyx that replies are sent under.
    telnyx_messaging_profile_id: Option<String>,
    /// The key that replies are sent with.
    telnyx_api_key: SecretStatus,
    /// The key that Telnyx signs with, base64; the platform's own if none is set.
    telnyx_public_key: Option<String>,
    /// The number at Twilio.
    twilio_phone_number: Option<PhoneNumber>,
    /// The account at Twilio.
    twilio_account_sid: Option<String>,
    /// The token that Twilio signs with, and that replies are sent with.
    twilio_auth_token: SecretStatus,
    /// The secret of the shared key that Twilio signs with instead, where it is set up so (HMAC-SHA256).
    twilio_shared_key: SecretStatus,
    /// Who answers.
    answered_by: SmsAnswerer,
    /// What to enter at the providers.
    webhook_urls: Vec<WebhookUrl>,
}

impl SmsSettings {
    pub fn new(is: &Provisioned, services: &Services) -> Self {
        let row = is.settings.sms.clone();
        Self {
            is_enabled: row.is_enabled,
            telnyx_phone_number: row.telnyx_phone_number.map(PhoneNumber),
            telnyx_messaging_profile_id: row.telnyx_messaging_profile_id,
            telnyx_api_key: is.secret(TELNYX_API_KEY).into(),
            telnyx_public_key: row.telnyx_public_key,
            twilio_phone_number: row.twilio_phone_number.map(PhoneNumber),
            twilio_account_sid: row.twilio_account_sid,
            twilio_auth_token: is.secret(TWILIO_AUTH_TOKEN).into(),
            twilio_shared_key: is.secret(TWILIO_SHARED_KEY).into(),
            answered_by: row.answered_by,
            webhook_urls: vec![
                url(services, "Telnyx: messaging profile, inbound webhook", "telnyx/sms"),
                url(services, "Twilio: phone number, a message comes in (POST)", "twilio/sms"),
            ],
        }
    }
}

/// How the tenant is reached by phone. Calls are held by an assistant at Telnyx; its tools and its end are ours.
#[derive(SimpleObject)]
pub struct VoiceSettings {
    /// Whether finished calls become conversations, and the assistant's tools answer.
    is_enabled: bool,
    /// The number.
    phone_number: Option<PhoneNumber>,
    /// The assistant at Telnyx.
    assistant_id: Option<String>,
    /// The organisation at Jackrabbit whose classes are offered.
    jackrabbit_org_id: Option<String>,
    /// Where customers are sent to register; may hold `{org_id}`, `{class_id}`, `{location}` and `{level}`. Without one they are
    /// sent to Jackrabbit.
    registration_url: Option<String>,
    /// What to enter at Telnyx.
    webhook_urls: Vec<WebhookUrl>,
}

impl VoiceSettings {
    pub fn new(tenant: TenantId, is: &Provisioned, services: &Services) -> Self {
        let row = is.settings.voice.clone();
        let tenant = tenant.0;
        let tool = |purpose, path: &str| url(services, purpose, &format!("telnyx/{path}?tenant_id={tenant}"));
        Self {
            is_enabled: row.is_enabled,
            phone_number: row.phone_number.map(PhoneNumber),
            assistant_id: row.assistant_id,
            jackrabbit_org_id: row.jackrabbit_org_id,
            registration_url: row.registration_url,
            webhook_urls: vec![
                tool("Telnyx: assistant, dynamic variables", "dynamic-variables"),
                tool("Telnyx: assistant, call completed", "ai-call-complete"),
                tool("Telnyx: tool, send a registration link", "tools/send-link"),
                tool("Telnyx: tool, classes with open places", "tools/get-classes"),
                tool("Telnyx: tool, book a meeting", "tools/book-meeting"),
                tool("Telnyx: tool, times that are free", "tools/get-available-slots"),
            ],
        }
    }
}

/// Where the tenant's assistant looks for passages to answer from.
#[derive(SimpleObject)]
pub struct RetrievalSettings {
    /// Which place.
    provider: RetrievalProvider,
    /// The language of the tenant's knowledge documents.
    language: SearchLanguage,
    /// Where the index at Pinecone is.
    pinecone_environment: Option<String>,
    /// The index's name.
    pinecone_index: Option<String>,
    /// The index's own host.
    pinecone_host: Option<String>,
    /// The part of the index that is read; null for the tenant's own, `tenant_` and its number.
    pinecone_namespace: Option<String>,
    /// The index's key.
    pinecone_api_key: SecretStatus,
}

impl RetrievalSettings {
    pub fn new(is: &Provisioned) -> Self {
        let row = is.settings.retrieval.clone();
        Self {
            provider: row.provider,
            language: row.language,
            pinecone_environment: row.pinecone_environment,
            pinecone_index: row.pinecone_index,
            pinecone_host: row.pinecone_host,
            pinecone_namespace: row.pinecone_namespace,
            pinecone_api_key: is.secret(PINECONE_API_KEY).into(),
        }
    }
}

/// Who writes the tenant's replies.
#[derive(SimpleObject)]
pub struct ModelSettings {
    /// Which provider.
    provider: ModelProvider,
    /// Which of its models; null for the platform's choice.
    model: Option<String>,
    /// The tenant's own key for OpenAI; the platform's is used if none is set.
    openai_api_key: SecretStatus,
    /// The tenant's own key for Gemini; the platform's is used if none is set.
    gemini_api_key: SecretStatus,
    /// Whether, when the provider can't, another one that the platform has set up writes, and at last the built-in responder.
    allow_fallback: bool,
    /// Most tokens of a reply; null leaves it to the provider.
    max_output_tokens: Option<i32>,
}

impl ModelSettings {
    pub fn new(is: &Provisioned) -> Self {
        let row = is.settings.model.clone();
        Self {
            provider: row.provider,
            model: row.model,
            openai_api_key: is.secret(OPENAI_API_KEY).into(),
            gemini_api_key: is.secret(GEMINI_API_KEY).into(),
            allow_fallback: row.allow_fallback,
            max_output_tokens: row.max_output_tokens,
        }
    }
}

pub(super) fn secret(field: MaybeUndefined<String>) -> SecretEdit {
    change(field).map(|text| text.map(SecretString::from))
}

/// Changes to how the tenant is reached by text message. What is omitted stays; null clears.
#[derive(InputObject)]
pub struct SmsSettingsInput {
    /// Whether the assistant answers. While it does not, messages are kept.
    is_enabled: MaybeUndefined<bool>,
    /// The number at Telnyx; null clears it.
    telnyx_phone_number: MaybeUndefined<PhoneNumber>,
    /// The messaging profile at Telnyx; null clears it.
    telnyx_messaging_profile_id: MaybeUndefined<String>,
    /// The key that replies are sent with; null forgets it.
    #[graphql(secret)]
    telnyx_api_key: MaybeUndefined<String>,
    /// The key that Telnyx signs with, 32 bytes in base64; null clears it.
    telnyx_public_key: MaybeUndefined<String>,
    /// The number at Twilio; null clears it.
    twilio_phone_number: MaybeUndefined<PhoneNumber>,
    /// The account at Twilio, `AC` and 32 hex digits; null clears it.
    twilio_account_sid: MaybeUndefined<String>,
    /// The token that Twilio signs with; null forgets it.
    #[graphql(secret)]
    twilio_auth_token: MaybeUndefined<String>,
    /// The secret of the shared key that Twilio signs with instead, where it is set up so (HMAC-SHA256).
    twilio_shared_key: MaybeUndefined<String>,
    /// Who answers.
    answered_by: MaybeUndefined<SmsAnswerer>,
}

impl TryFrom<SmsSettingsInput> for SmsEdit {
    type Error = Refusal;
    fn try_from(input: SmsSettingsInput) -> Result<Self, Refusal> {
        let number = |field| change(field).map(|phone: Option<PhoneNumber>| phone.map(|phone| phone.0));
        Ok(Self {
            is_enabled: given("isEnabled", input.is_enabled)?,
            telnyx_phone_number: number(input.telnyx_phone_number),
            telnyx_messaging_profile_id: change(input.telnyx_messaging_profile_id),
            telnyx_api_key: secret(input.telnyx_api_key),
            telnyx_public_key: change(input.telnyx_public_key),
            twilio_phone_number: number(input.twilio_phone_number),
            twilio_account_sid: change(input.twilio_account_sid),
            twilio_auth_token: secret(input.twilio_auth_token),
            twilio_shared_key: secret(input.twilio_shared_key),
            answered_by: given("answeredBy", input.answered_by)?,
        })
    }
}

/// Changes to how the tenant is reached by phone. What is omitted stays; null clears.
#[derive(InputObject)]
pub struct VoiceSettingsInput {
    /// Whether finished calls become conversations, and the assistant's tools answer.
    is_enabled: MaybeUndefined<bool>,
    /// The number; null clears it.
    phone_number: MaybeUndefined<PhoneNumber>,
    /// The assistant at Telnyx; null clears it.
    assistant_id: MaybeUndefined<String>,
    /// The organisation at Jackrabbit; null clears it.
    jackrabbit_org_id: MaybeUndefined<String>,
    /// Where customers are sent to register, by http or https; may hold `{org_id}`, `{class_id}`, `{location}` and `{level}`
    /// behind its host; null clears it.
    registration_url: MaybeUndefined<String>,
}

impl TryFrom<VoiceSettingsInput> for VoiceEdit {
    type Error = Refusal;
    fn try_from(input: VoiceSettingsInput) -> Result<Self, Refusal> {
        Ok(Self {
            is_enabled: given("isEnabled", input.is_enabled)?,
            phone_number: change(input.phone_number).map(|phone| phone.map(|phone| phone.0)),
            assistant_id: change(input.assistant_id),
            jackrabbit_org_id: change(input.jackrabbit_org_id),
            registration_url: change(input.registration_url),
        })
    }
}

/// Changes to where the tenant's assistant looks for passages. What is omitted stays; null clears.
#[derive(InputObject)]
pub struct RetrievalSettingsInput {
    /// Which place. PINECONE needs the key, and the host or the index's name.
    provider: MaybeUndefined<RetrievalProvider>,
    /// The language of the tenant's knowledge documents. All that are there are compared in it from now on; a hundred large
    /// ones take some seconds.
    language: MaybeUndefined<SearchLanguage>,
    /// Where the index at Pinecone is; null clears it.
    pinecone_environment: MaybeUndefined<String>,
    /// The index's name; null clears it.
    pinecone_index: MaybeUndefined<String>,
    /// The index's own host, one of Pinecone's; null clears it. Without it, Pinecone is asked where the index is.
    pinecone_host: MaybeUndefined<String>,
    /// The part of the index to read; null for the tenant's own, `tenant_` and its number. Another can only be named together
    /// with the key; one without a name is `__default__`.
    pinecone_namespace: MaybeUndefined<String>,
    /// The index's key; null forgets it. With another key the tenant's own part is read, unless one is named with it.
    #[graphql(secret)]
    pinecone_api_key: MaybeUndefined<String>,
}

impl TryFrom<RetrievalSettingsInput> for RetrievalEdit {
    type Error = Refusal;
    fn try_from(input: RetrievalSettingsInput) -> Result<Self, Refusal> {
        Ok(Self {
            provider: given("provider", input.provider)?,
            language: given("language", input.language)?,
            pinecone_environment: change(input.pinecone_environment),
            pinecone_index: change(input.pinecone_index),
            pinecone_host: change(input.pinecone_host),
            pinecone_namespace: change(input.pinecone_namespace),
            pinecone_api_key: secret(input.pinecone_api_key),
        })
    }
}

/// Changes to who writes the tenant's replies. What is omitted stays; null clears.
#[derive(InputObject)]
pub struct ModelSettingsInput {
    /// Which provider.
    provider: MaybeUndefined<ModelProvider>,
    /// Which of its models; null for the platform's choice. Another provider without a model means that too.
    model: MaybeUndefined<String>,
    /// The tenant's own key for OpenAI; null forgets it. It is sent to the address that the platform has set, and to no other.
    #[graphql(secret)]
    openai_api_key: MaybeUndefined<String>,
    /// The tenant's own key for Gemini, likewise; null forgets it.
    #[graphql(secret)]
    gemini_api_key: MaybeUndefined<String>,
    /// Whether another one may write when the provider can't. Conversations then go to that other one.
    allow_fallback: MaybeUndefined<bool>,
    /// Most tokens of a reply, 16 to 65,536; null leaves it to the provider.
    max_output_tokens: MaybeUndefined<i32>,
}

impl TryFrom<ModelSettingsInput> for ModelEdit {
    type Error = Refusal;
    fn try_from(input: ModelSettingsInput) -> Result<Self, Refusal> {
        Ok(Self {
            provider: given("provider", input.provider)?,
            model: change(input.model),
            openai_api_key: secret(input.openai_api_key),
            gemini_api_key: secret(input.gemini_api_key),
            allow_fallback: given("allowFallback", input.allow_fallback)?,
            max_output_tokens: change(input.max_output_tokens),
        })
    }
}
