//! `sms_settings`, `voice_settings`, `email_settings`, `retrieval_settings`, `model_settings`: a row each for a tenant that
//! ever set something. Secrets are not here.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::{
    db::{
        schema::{email_settings, model_settings, retrieval_settings, sms_settings, tenants, voice_settings},
        tx::{Admin, Tenant, Tx, Viewpoint},
    },
    kernel::{
        failure::Outcome,
        ids::TenantId,
        vocabulary::{ModelProvider, RetrievalProvider, SearchLanguage, SmsAnswerer, TextProvider},
    },
};

/// How a tenant is reached by text message.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = sms_settings)]
#[expect(missing_docs, reason = "the columns are described in the migration and in the graph")]
pub struct SmsRow {
    pub is_enabled: bool,
    pub telnyx_phone_number: Option<String>,
    pub telnyx_messaging_profile_id: Option<String>,
    pub telnyx_public_key: Option<String>,
    pub twilio_phone_number: Option<String>,
    pub twilio_account_sid: Option<String>,
    pub answered_by: SmsAnswerer,
}

impl Default for SmsRow {
    fn default() -> Self {
        Self {
            is_enabled: false,
            telnyx_phone_number: None,
            telnyx_messaging_profile_id: None,
            telnyx_public_key: None,
            twilio_phone_number: None,
            twilio_account_sid: None,
            answered_by: SmsAnswerer::Frontdesk,
        }
    }
}

impl SmsRow {
    /// Its number at a provider.
    #[must_use]
    pub fn number(&self, provider: TextProvider) -> Option<&str> {
        match provider {
            TextProvider::Telnyx => self.telnyx_phone_number.as_deref(),
            TextProvider::Twilio => self.twilio_phone_number.as_deref(),
        }
    }
}

/// How a tenant is reached by phone.
#[derive(Debug, Clone, Default, Queryable, Selectable)]
#[diesel(table_name = voice_settings)]
#[expect(missing_docs, reason = "as above")]
pub struct VoiceRow {
    pub is_enabled: bool,
    pub phone_number: Option<String>,
    pub assistant_id: Option<String>,
    pub jackrabbit_org_id: Option<String>,
    pub registration_url: Option<String>,
}

/// How a tenant is reached by mail.
#[derive(Debug, Clone, Default, Queryable, Selectable)]
#[diesel(table_name = email_settings)]
#[expect(missing_docs, reason = "as above")]
pub struct EmailRow {
    pub is_enabled: bool,
    pub connected_address: Option<String>,
    pub connected_at: Option<DateTime<Utc>>,
    pub watch_expires_at: Option<DateTime<Utc>>,
    pub revoked_reason: Option<String>,
}

/// Where a tenant's assistant looks for passages.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = retrieval_settings)]
#[expect(missing_docs, reason = "as above")]
pub struct RetrievalRow {
    pub provider: RetrievalProvider,
    pub pinecone_environment: Option<String>,
    pub pinecone_index: Option<String>,
    pub pinecone_host: Option<String>,
    pub pinecone_namespace: Option<String>,
    pub language: SearchLanguage,
}

impl Default for RetrievalRow {
    fn default() -> Self {
        Self {
            provider: RetrievalProvider::BuiltIn,
            pinecone_environment: None,
            pinecone_index: None,
            pinecone_host: None,
            pinecone_namespace: None,
            language: SearchLanguage::English,
        }
    }
}

/// Whom a tenant wishes to write its replies.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = model_settings)]
#[expect(missing_docs, reason = "as above")]
pub struct ModelRow {
    pub provider: ModelProvider,
    pub model: Option<String>,
    pub allow_fallback: bool,
    pub max_output_tokens: Option<i32>,
}

impl Default for ModelRow {
    fn default() -> Self {
        Self { provider: ModelProvider::Platform, model: None, allow_fallback: false, max_output_tokens: None }
    }
}

/// All settings of one tenant; what was never set is as it is by default.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the types say it")]
pub struct SettingsRow {
    pub sms: SmsRow,
    pub voice: VoiceRow,
    pub email: EmailRow,
    pub retrieval: RetrievalRow,
    pub model: ModelRow,
}

type Joined = (TenantId, Option<SmsRow>, Option<VoiceRow>, Option<EmailRow>, Option<RetrievalRow>, Option<ModelRow>);

/// The settings of several tenants, in one statement.
///
/// # Errors
/// Database faults.
pub async fn find_many<V: Viewpoint>(tx: &Tx<V>, ids: &[TenantId]) -> Outcome<Vec<(TenantId, SettingsRow)>> {
    let rows: Vec<Joined> = tenants::table
        .left_join(sms_settings::table)
        .left_join(voice_settings::table)
        .left_join(email_settings::table)
        .left_join(retrieval_settings::table)
        .left_join(model_settings::table)
        .filter(tenants::id.eq_any(ids))
        .select((
            tenants::id,
            Option::<SmsRow>::as_select(),
            Option::<VoiceRow>::as_select(),
            Option::<EmailRow>::as_select(),
            Option::<RetrievalRow>::as_select(),
            Option::<ModelRow>::as_select(),
        ))
        .load(&mut tx.line())
        .await?;
    let whole = |(id, sms, voice, email, retrieval, model): Joined| {
        let settings = SettingsRow {
            sms: sms.unwrap_or_default(),
            voice: voice.unwrap_or_default(),
            email: email.unwrap_or_default(),
            retrieval: retrieval.unwrap_or_default(),
            model: model.unwrap_or_default(),
        };
        (id, settings)
    };
    Ok(rows.into_iter().map(whole).collect())
}

/// How the transaction's own tenant is reached by text message.
///
/// # Errors
/// Database faults.
pub async fn sms_of_own(tx: &mut Tx<Tenant>) -> Outcome<SmsRow> {
    let tenant = tx.tenant();
    let row = sms_settings::table.find(tenant).select(SmsRow::as_select()).first(tx.conn()).await;
    Ok(row.optional()?.unwrap_or_default())
}

/// Where the transaction's own tenant's assistant looks for passages.
///
/// # Errors
/// Database faults.
pub async fn retrieval_of_own(tx: &Tx<Tenant>) -> Outcome<RetrievalRow> {
    let tenant = tx.tenant();
    let row = retrieval_settings::table.find(tenant).select(RetrievalRow::as_select()).first(&mut tx.line()).await;
    Ok(row.optional()?.unwrap_or_default())
}

/// The language of the transaction's own tenant's documents, held to the end of the transaction: what is added in it is
/// there when the next transaction changes the language, or comes after that.
///
/// # Errors
/// Database faults.
pub async fn hold_language(tx: &mut Tx<Tenant>, now: DateTime<Utc>) -> Outcome<SearchLanguage> {
    let tenant = tx.tenant();
    diesel::insert_into(retrieval_settings::table)
        .values((retrieval_settings::tenant_id.eq(tenant), retrieval_settings::updated_at.eq(now)))
        .on_conflict_do_nothing()
        .execute(tx.conn())
        .await?;
    Ok(retrieval_settings::table
        .find(tenant)
        .select(retrieval_settings::language)
        .for_update()
        .first(tx.conn())
        .await?)
}

/// Changes; the outer `None` leaves a column as it is, an inner one clears it.
#[derive(Debug, Default, AsChangeset)]
#[diesel(table_name = sms_settings)]
#[expect(missing_docs, reason = "as the row")]
pub struct SmsChanges {
    pub is_enabled: Option<bool>,
    pub telnyx_phone_number: Option<Option<String>>,
    pub telnyx_messaging_profile_id: Option<Option<String>>,
    pub telnyx_public_key: Option<Option<String>>,
    pub twilio_phone_number: Option<Option<String>>,
    pub twilio_account_sid: Option<Option<String>>,
    pub answered_by: Option<SmsAnswerer>,
    pub updated_at: DateTime<Utc>,
}

/// As [`SmsChanges`].
#[derive(Debug, Default, AsChangeset)]
#[diesel(table_name = voice_settings)]
#[expect(missing_docs, reason = "as the row")]
pub struct VoiceChanges {
    pub is_enabled: Option<bool>,
    pub phone_number: Option<Option<String>>,
    pub assistant_id: Option<Option<String>>,
    pub jackrabbit_org_id: Option<Option<String>>,
    pub registration_url: Option<Option<String>>,
    pub updated_at: DateTime<Utc>,
}

/// As [`SmsChanges`].
#[derive(Debug, Default, AsChangeset)]
#[diesel(table_name = email_settings)]
#[expect(missing_docs, reason = "as the row")]
pub struct EmailChanges {
    pub is_enabled: Option<bool>,
    pub updated_at: DateTime<Utc>,
}

/// As [`SmsChanges`].
#[derive(Debug, Default, AsChangeset)]
#[diesel(table_name = retrieval_settings)]
#[expect(missing_docs, reason = "as the row")]
pub struct RetrievalChanges {
    pub provider: Option<RetrievalProvider>,
    pub pinecone_environment: Option<Option<String>>,
    pub pinecone_index: Option<Option<String>>,
    pub pinecone_host: Option<Option<String>>,
    pub pinecone_namespace: Option<Option<String>>,
    pub language: Option<SearchLanguage>,
    pub updated_at: DateTime<Utc>,
}

/// As [`SmsChanges`].
#[derive(Debug, Default, AsChangeset)]
#[diesel(table_name = model_settings)]
#[expect(missing_docs, reason = "as the row")]
pub struct ModelChanges {
    pub provider: Option<ModelProvider>,
    pub model: Option<Option<String>>,
    pub allow_fallback: Option<bool>,
    pub max_output_tokens: Option<Option<i32>>,
    pub updated_at: DateTime<Utc>,
}

/// Makes the tenant's row of a settings table, if there is none, and changes it.
macro_rules! change {
    ($connection:expr, $table:ident, $tenant:expr, $changes:expr) => {{
        diesel::insert_into($table::table)
            .values(($table::tenant_id.eq($tenant), $table::updated_at.eq($changes.updated_at)))
            .on_conflict_do_nothing()
            .execute($connection)
            .await?;
        diesel::update($table::table.find($tenant)).set($changes).execute($connection).await?;
        Ok(())
    }};
}

/// Changes how the tenant is reached by text message.
///
/// # Errors
/// `CONFLICT` on a number that is another tenant's.
pub async fn change_sms(tx: &mut Tx<Tenant>, changes: &SmsChanges) -> Outcome<()> {
    let tenant = tx.tenant();
    change!(tx.conn(), sms_settings, tenant, changes)
}

/// Changes how the tenant is reached by phone.
///
/// # Errors
/// `CONFLICT` on a number or an assistant that is another tenant's.
pub async fn change_voice(tx: &mut Tx<Tenant>, changes: &VoiceChanges) -> Outcome<()> {
    let tenant = tx.tenant();
    change!(tx.conn(), voice_settings, tenant, changes)
}

/// Changes how the tenant is reached by mail.
///
/// # Errors
/// Database faults.
pub async fn change_email(tx: &mut Tx<Tenant>, changes: &EmailChanges) -> Outcome<()> {
    let tenant = tx.tenant();
    change!(tx.conn(), email_settings, tenant, changes)
}

/// Changes where the tenant's assistant looks for passages.
///
/// # Errors
/// Database faults.
pub async fn change_retrieval(tx: &mut Tx<Tenant>, changes: &RetrievalChanges) -> Outcome<()> {
    let tenant = tx.tenant();
    retrieval(tx.conn(), tenant, changes).await
}

/// As [`change_retrieval`], by an administrator who sets a tenant up.
///
/// # Errors
/// Database faults.
pub async fn set_up_retrieval(tx: &mut Tx<Admin>, tenant: TenantId, changes: &RetrievalChanges) -> Outcome<()> {
    retrieval(tx.conn(), tenant, changes).await
}

async fn retrieval(connection: &mut AsyncPgConnection, tenant: TenantId, changes: &RetrievalChanges) -> Outcome<()> {
    change!(connection, retrieval_settings, tenant, changes)
}

/// Changes who writes the tenant's replies.
///
/// # Errors
/// Database faults.
pub async fn change_model(tx: &mut Tx<Tenant>, changes: &ModelChanges) -> Outcome<()> {
    let tenant = tx.tenant();
    change!(tx.conn(), model_settings, tenant, changes)
}

/// Who is to write the tenant's replies.
///
/// # Errors
/// Database faults.
pub async fn model(tx: &Tx<Tenant>) -> Outcome<ModelRow> {
    let tenant = tx.tenant();
    let row =
        model_settings::table.find(tenant).select(ModelRow::as_select()).first(&mut tx.line()).await.optional()?;
    Ok(row.unwrap_or_default())
}
