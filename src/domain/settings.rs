//! How a tenant is reached, and where its assistant looks for passages. Secrets go in sealed, and never come out here.

use secrecy::{ExposeSecret, SecretString};

use crate::{
    channels::telnyx,
    context::{Services, TenantCx, audit},
    db::{
        tables::{
            knowledge,
            provisioning::{self, Provisioned},
            secrets,
            settings::{self, EmailChanges, RetrievalChanges, SmsChanges, VoiceChanges},
        },
        tx::{Tx, Viewpoint},
    },
    domain::vault::{self, Entrusted},
    kernel::{
        failure::{Failure, Outcome, Refusal},
        hosts::HostRule,
        ids::TenantId,
        phone, text,
        vocabulary::{RetrievalProvider, SearchLanguage, SmsAnswerer},
        web,
    },
};

/// The name under which a tenant's Telnyx API key is kept.
pub const TELNYX_API_KEY: &str = "telnyx_api_key";
/// The name under which a tenant's Twilio auth token is kept.
pub const TWILIO_AUTH_TOKEN: &str = "twilio_auth_token";
/// The name under which the secret of a tenant's shared key at Twilio is kept.
pub const TWILIO_SHARED_KEY: &str = "twilio_shared_key";
/// The name under which a tenant's Pinecone API key is kept.
pub const PINECONE_API_KEY: &str = "pinecone_api_key";

/// What a tenant's registration address may hold in braces.
const REGISTRATION_NAMES: &[&str] = &["org_id", "class_id", "location", "level"];
/// Longest secret, in characters.
const SECRET_MAX: usize = 4_096;
/// Shortest secret whose last four characters are shown: of a shorter one they would tell too much.
const SHOWN_FROM: usize = 12;

/// A change of a text: the outer `None` leaves it, an inner one clears it.
pub type Edit = Option<Option<String>>;
/// A change of a secret, as [`Edit`].
pub type SecretEdit = Option<Option<SecretString>>;

/// Changes to how the tenant is reached by text message.
#[derive(Default)]
#[expect(missing_docs, reason = "as the graph's input")]
pub struct SmsEdit {
    pub is_enabled: Option<bool>,
    pub telnyx_phone_number: Edit,
    pub telnyx_messaging_profile_id: Edit,
    pub telnyx_api_key: SecretEdit,
    pub telnyx_public_key: Edit,
    pub twilio_phone_number: Edit,
    pub twilio_account_sid: Edit,
    pub twilio_auth_token: SecretEdit,
    pub twilio_shared_key: SecretEdit,
    pub answered_by: Option<SmsAnswerer>,
}

/// Changes how the tenant is reached by text message.
///
/// # Errors
/// `BAD_USER_INPUT` naming the argument; `CONFLICT` on a number that is connected already.
pub async fn update_sms(cx: &TenantCx, edit: SmsEdit) -> Outcome<Provisioned> {
    let changes = SmsChanges {
        is_enabled: edit.is_enabled,
        telnyx_phone_number: checked(edit.telnyx_phone_number, |text| phone::normalise("telnyxPhoneNumber", text))?,
        telnyx_messaging_profile_id: checked(edit.telnyx_messaging_profile_id, |text| {
            text::required("telnyxMessagingProfileId", text, 100)
        })?,
        telnyx_public_key: checked(edit.telnyx_public_key, ed25519_key)?,
        twilio_phone_number: checked(edit.twilio_phone_number, |text| phone::normalise("twilioPhoneNumber", text))?,
        twilio_account_sid: checked(edit.twilio_account_sid, account_sid)?,
        answered_by: edit.answered_by,
        updated_at: cx.now(),
    };
    let api_key = entrusted("telnyxApiKey", TELNYX_API_KEY, edit.telnyx_api_key)?;
    let token = entrusted("twilioAuthToken", TWILIO_AUTH_TOKEN, edit.twilio_auth_token)?;
    let shared = entrusted("twilioSharedKey", TWILIO_SHARED_KEY, edit.twilio_shared_key)?;
    let detail = audit::said(&[
        ("isEnabled", changes.is_enabled.is_some()),
        ("telnyxPhoneNumber", changes.telnyx_phone_number.is_some()),
        ("telnyxMessagingProfileId", changes.telnyx_messaging_profile_id.is_some()),
        ("telnyxApiKey", !matches!(api_key, Change::Left)),
        ("telnyxPublicKey", changes.telnyx_public_key.is_some()),
        ("twilioPhoneNumber", changes.twilio_phone_number.is_some()),
        ("twilioAccountSid", changes.twilio_account_sid.is_some()),
        ("twilioAuthToken", !matches!(token, Change::Left)),
        ("twilioSharedKey", !matches!(shared, Change::Left)),
        ("answeredBy", changes.answered_by.is_some()),
    ]);
    cx.write(async |tx| {
        settings::change_sms(tx, &changes).await?;
        keep(cx.services(), tx, cx.scope().tenant(), api_key).await?;
        keep(cx.services(), tx, cx.scope().tenant(), token).await?;
        keep(cx.services(), tx, cx.scope().tenant(), shared).await?;
        cx.audit_change(tx, "settings.sms", cx.scope().tenant(), detail);
        now(tx, cx.scope().tenant()).await
    })
    .await
}

/// Changes to how the tenant is reached by phone.
#[derive(Default)]
#[expect(missing_docs, reason = "as the graph's input")]
pub struct VoiceEdit {
    pub is_enabled: Option<bool>,
    pub phone_number: Edit,
    pub assistant_id: Edit,
    pub jackrabbit_org_id: Edit,
    pub registration_url: Edit,
}

/// Changes how the tenant is reached by phone.
///
/// # Errors
/// `BAD_USER_INPUT` naming the argument; `CONFLICT` on a number or an assistant that is connected already.
pub async fn update_voice(cx: &TenantCx, edit: VoiceEdit) -> Outcome<Provisioned> {
    let changes = VoiceChanges {
        is_enabled: edit.is_enabled,
        phone_number: checked(edit.phone_number, |text| phone::normalise("phoneNumber", text))?,
        assistant_id: checked(edit.assistant_id, |text| text::required("assistantId", text, 100))?,
        jackrabbit_org_id: checked(edit.jackrabbit_org_id, |text| text::required("jackrabbitOrgId", text, 50))?,
        registration_url: checked(edit.registration_url, |text| {
            web::pattern("registrationUrl", text, REGISTRATION_NAMES)
        })?,
        updated_at: cx.now(),
    };
    let detail = audit::said(&[
        ("isEnabled", changes.is_enabled.is_some()),
        ("phoneNumber", changes.phone_number.is_some()),
        ("assistantId", changes.assistant_id.is_some()),
        ("jackrabbitOrgId", changes.jackrabbit_org_id.is_some()),
        ("registrationUrl", changes.registration_url.is_some()),
    ]);
    cx.write(async |tx| {
        settings::change_voice(tx, &changes).await?;
        cx.audit_change(tx, "settings.voice", cx.scope().tenant(), detail);
        now(tx, cx.scope().tenant()).await
    })
    .await
}

/// Switches answering by mail on or off.
///
/// # Errors
/// Faults only.
pub async fn update_email(cx: &TenantCx, is_enabled: Option<bool>) -> Outcome<Provisioned> {
    let changes = EmailChanges { is_enabled, updated_at: cx.now() };
    cx.write(async |tx| {
        settings::change_email(tx, &changes).await?;
        let detail = audit::said(&[("isEnabled", is_enabled.is_some())]);
        cx.audit_change(tx, "settings.email", cx.scope().tenant(), detail);
        now(tx, cx.scope().tenant()).await
    })
    .await
}

/// Changes to where the tenant's assistant looks for passages.
#[derive(Default)]
#[expect(missing_docs, reason = "as the graph's input")]
pub struct RetrievalEdit {
    pub provider: Option<RetrievalProvider>,
    pub language: Option<SearchLanguage>,
    pub pinecone_environment: Edit,
    pub pinecone_index: Edit,
    pub pinecone_host: Edit,
    pub pinecone_namespace: Edit,
    pub pinecone_api_key: SecretEdit,
}

/// The part of an index that is a tenant's, unless it says otherwise together with the key.
#[must_use]
pub fn own_namespace(tenant: TenantId) -> String {
    format!("tenant_{}", tenant.0)
}

/// Changes where the tenant's assistant looks for passages.
///
/// # Errors
/// `BAD_USER_INPUT` naming the argument, also when PINECONE would be chosen without its key and its index.
pub async fn update_retrieval(cx: &TenantCx, edit: RetrievalEdit) -> Outcome<Provisioned> {
    let key = entrusted("pineconeApiKey", PINECONE_API_KEY, edit.pinecone_api_key)?;
    let namespace = checked(edit.pinecone_namespace, |text| text::required("pineconeNamespace", text, 200))?;
    let changes = RetrievalChanges {
        provider: edit.provider,
        language: edit.language,
        pinecone_environment: checked(edit.pinecone_environment, environment)?,
        pinecone_index: checked(edit.pinecone_index, |text| text::required("pineconeIndex", text, 100))?,
        pinecone_host: checked(edit.pinecone_host, |text| host(&cx.services().pinecone_hosts, text))?,
        pinecone_namespace: namespace_under(&key, cx.scope().tenant(), namespace)?,
        updated_at: cx.now(),
    };
    let detail = audit::said(&[
        ("provider", changes.provider.is_some()),
        ("language", changes.language.is_some()),
        ("pineconeEnvironment", changes.pinecone_environment.is_some()),
        ("pineconeIndex", changes.pinecone_index.is_some()),
        ("pineconeHost", changes.pinecone_host.is_some()),
        ("pineconeNamespace", changes.pinecone_namespace.is_some()),
        ("pineconeApiKey", !matches!(key, Change::Left)),
    ]);
    cx.write(async |tx| {
        settings::change_retrieval(tx, &changes).await?;
        if let Some(language) = changes.language {
            knowledge::translate(tx, language).await?;
        }
        keep(cx.services(), tx, cx.scope().tenant(), key).await?;
        let now = now(tx, cx.scope().tenant()).await?;
        // Refused, the transaction ends, and so does the change.
        coherent(&now)?;
        cx.audit_change(tx, "settings.retrieval", cx.scope().tenant(), detail);
        Ok(now)
    })
    .await
}

/// A change of a secret, ready to be kept.
pub(super) enum Change {
    /// As it is.
    Left,
    /// Forgotten.
    Cleared(&'static str),
    /// Another.
    Set(Entrusted),
}

/// Checks a secret.
pub(super) fn entrusted(field: &'static str, name: &'static str, edit: SecretEdit) -> Result<Change, Refusal> {
    let Some(edit) = edit else { return Ok(Change::Left) };
    let Some(value) = edit.filter(|value| !value.expose_secret().trim().is_empty()) else {
        return Ok(Change::Cleared(name));
    };
    let text = value.expose_secret().trim();
    let length = text.chars().count();
    if length > SECRET_MAX || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        let message = format!("`{field}` must be one word of at most {SECRET_MAX} characters.");
        return Err(Refusal::input(field, message));
    }
    let last_four = (length >= SHOWN_FROM).then(|| text.chars().skip(length - 4).collect());
    Ok(Change::Set(Entrusted { name, value: SecretString::from(text), last_four }))
}

/// Keeps what [`entrusted`] found good.
pub(super) async fn keep<V: Viewpoint>(
    services: &Services,
    tx: &mut Tx<V>,
    tenant: TenantId,
    change: Change,
) -> Outcome<()> {
    match change {
        Change::Left => Ok(()),
        Change::Cleared(name) => secrets::remove(tx, tenant, name).await,
        Change::Set(secret) => vault::keep(services, tx, tenant, &secret).await,
    }
}

/// Checks the name of a Pinecone environment.
pub(super) fn environment(text: &str) -> Result<String, Refusal> {
    text::required("pineconeEnvironment", text, 100)
}

/// Checks that the retriever which was chosen has what it needs.
pub(super) fn coherent(is: &Provisioned) -> Result<(), Refusal> {
    let retrieval = &is.settings.retrieval;
    let lacks = is.secret(PINECONE_API_KEY).is_none()
        || (retrieval.pinecone_host.is_none() && retrieval.pinecone_index.is_none());
    if retrieval.provider == RetrievalProvider::Pinecone && lacks {
        return Err(Refusal::input(
            "provider",
            "`PINECONE` needs `pineconeApiKey`, and `pineconeHost` or `pineconeIndex`. Give them first, or together.",
        ));
    }
    Ok(())
}

/// What of the tenant is set up now.
pub(super) async fn now<V: Viewpoint>(tx: &mut Tx<V>, own: TenantId) -> Outcome<Provisioned> {
    let found = provisioning::find_many(tx, &[own]).await?.remove(&own);
    found.ok_or_else(|| Failure::fault("a tenant without settings"))
}

/// Blank counts as null.
pub(super) fn checked(edit: Edit, check: impl Fn(&str) -> Result<String, Refusal>) -> Result<Edit, Refusal> {
    edit.map(|text| text.filter(|text| !text.trim().is_empty()).map(|text| check(&text)).transpose()).transpose()
}

/// Telnyx's public key: 32 bytes in base64 (the portal's "Public key").
fn ed25519_key(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    if telnyx::is_key(text) {
        Ok(text.to_owned())
    } else {
        Err(Refusal::input(
            "telnyxPublicKey",
            "`telnyxPublicKey` must be 32 bytes in base64, as Telnyx's portal shows it.",
        ))
    }
}

/// Twilio's account identifier: `AC` and 32 hex digits.
fn account_sid(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    let digits = text.strip_prefix("AC").unwrap_or_default();
    if digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text.to_owned())
    } else {
        Err(Refusal::input(
            "twilioAccountSid",
            "`twilioAccountSid` must be `AC` and 32 hex digits, as Twilio's console shows it.",
        ))
    }
}

/// A namespace other than the tenant's own is read only under a key that came with it: who holds a key can read all of its
/// index anyway. Else a tenant under a key of the platform's could ask for the namespace of its neighbour. So another key
/// begins with the tenant's own namespace again.
fn namespace_under(key: &Change, tenant: TenantId, namespace: Edit) -> Result<Edit, Refusal> {
    let own = own_namespace(tenant);
    match namespace {
        Some(Some(name)) if name == own => Ok(Some(None)),
        Some(Some(_)) if !matches!(key, Change::Set(_)) => Err(Refusal::input(
            "pineconeNamespace",
            format!("Give `pineconeApiKey` together with `pineconeNamespace`. Without it, only `{own}` can be read."),
        )),
        None if !matches!(key, Change::Left) => Ok(Some(None)),
        other => Ok(other),
    }
}

/// An index's own host.
fn host(rule: &HostRule, text: &str) -> Result<String, Refusal> {
    rule.read(text).ok_or_else(|| {
        Refusal::input(
            "pineconeHost",
            "`pineconeHost` must be the index's host at Pinecone, such as `docs-abc123.svc.aped-1234.pinecone.io`.",
        )
    })
}
