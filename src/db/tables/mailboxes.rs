//! What the server keeps of a tenant's mailbox in `email_settings`, and `email_consents`. What people set of it is in
//! `settings.rs`; its tokens are among the secrets.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::{
    db::{
        schema::{email_consents, email_settings, jobs},
        tx::{Identity, Tenant, Tx, Worker},
    },
    kernel::{
        failure::Outcome,
        ids::{TenantId, UserId},
        vocabulary::JobState,
    },
};

/// A mailbox as the server works with it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = email_settings)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct MailboxRow {
    pub is_enabled: bool,
    pub connected_address: Option<String>,
    pub generation: i64,
    pub revoked_at: Option<DateTime<Utc>>,
    pub history_id: Option<String>,
    pub access_expires_at: Option<DateTime<Utc>>,
    pub refresh_lease_until: Option<DateTime<Utc>>,
    pub watch_renewed_at: Option<DateTime<Utc>>,
}

impl MailboxRow {
    /// Whether it is connected, and its consent stands.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.connected_address.is_some() && self.revoked_at.is_none()
    }
}

/// Whose mailbox it is.
///
/// # Errors
/// Database faults.
pub async fn by_address(tx: &mut Tx<Identity>, address: &str) -> Outcome<Option<TenantId>> {
    Ok(email_settings::table
        .filter(lower(email_settings::connected_address).eq(address.to_lowercase()))
        .select(email_settings::tenant_id)
        .first(tx.conn())
        .await
        .optional()?)
}

/// Open mailboxes that no live job of this kind is for: whose, and which of its connections. The role sees only open ones.
///
/// # Errors
/// Database faults.
pub async fn untended(tx: &mut Tx<Worker>, kind: &str) -> Outcome<Vec<(TenantId, i64)>> {
    let tended = jobs::table.filter(jobs::kind.eq(kind)).filter(jobs::state.ne(JobState::Dead)).select(jobs::tenant_id);
    let tended: Vec<TenantId> = tended.load(tx.conn()).await?;
    Ok(email_settings::table
        .filter(email_settings::tenant_id.ne_all(tended))
        .select((email_settings::tenant_id, email_settings::generation))
        .load(tx.conn())
        .await?)
}

/// Forgets the tenant's jobs of this kind that were given up. Gives whether one is alive.
///
/// # Errors
/// Database faults.
pub async fn is_tended(tx: &mut Tx<Tenant>, kind: &str) -> Outcome<bool> {
    let tenant = tx.tenant();
    let dead = jobs::table
        .filter(jobs::tenant_id.eq(tenant))
        .filter(jobs::kind.eq(kind))
        .filter(jobs::state.eq(JobState::Dead));
    diesel::delete(dead).execute(tx.conn()).await?;
    let live = jobs::table.filter(jobs::tenant_id.eq(tenant)).filter(jobs::kind.eq(kind));
    Ok(diesel::select(diesel::dsl::exists(live)).get_result(tx.conn()).await?)
}

#[diesel::declare_sql_function]
extern "SQL" {
    /// Lower case, as the unique index has it.
    fn lower(
        text: diesel::sql_types::Nullable<diesel::sql_types::Text>,
    ) -> diesel::sql_types::Nullable<diesel::sql_types::Text>;
}

/// The tenant's mailbox, if there ever was one.
///
/// # Errors
/// Database faults.
pub async fn find(tx: &mut Tx<Tenant>) -> Outcome<Option<MailboxRow>> {
    let tenant = tx.tenant();
    Ok(email_settings::table.find(tenant).select(MailboxRow::as_select()).first(tx.conn()).await.optional()?)
}

/// As [`find`], locked until the transaction ends: of what changes a mailbox, one goes after the other.
///
/// # Errors
/// Database faults.
pub async fn lock(tx: &mut Tx<Tenant>) -> Outcome<Option<MailboxRow>> {
    let tenant = tx.tenant();
    Ok(email_settings::table
        .find(tenant)
        .select(MailboxRow::as_select())
        .for_update()
        .first(tx.conn())
        .await
        .optional()?)
}

/// Makes the tenant's row, if there is none.
///
/// # Errors
/// Database faults.
pub async fn make(tx: &mut Tx<Tenant>, now: DateTime<Utc>) -> Outcome<()> {
    let tenant = tx.tenant();
    diesel::insert_into(email_settings::table)
        .values((email_settings::tenant_id.eq(tenant), email_settings::updated_at.eq(now)))
        .on_conflict_do_nothing()
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// What changes about a mailbox. The outer `None` leaves a column as it is, an inner one clears it.
#[derive(Debug, Default, AsChangeset)]
#[diesel(table_name = email_settings)]
#[expect(missing_docs, reason = "as the row")]
pub struct MailboxChanges {
    pub connected_address: Option<Option<String>>,
    pub connected_at: Option<Option<DateTime<Utc>>>,
    pub connected_by: Option<Option<UserId>>,
    pub generation: Option<i64>,
    pub revoked_at: Option<Option<DateTime<Utc>>>,
    pub revoked_reason: Option<Option<String>>,
    pub history_id: Option<Option<String>>,
    pub access_expires_at: Option<Option<DateTime<Utc>>>,
    pub refresh_lease_until: Option<Option<DateTime<Utc>>>,
    pub watch_expires_at: Option<Option<DateTime<Utc>>>,
    pub watch_renewed_at: Option<Option<DateTime<Utc>>>,
    pub updated_at: DateTime<Utc>,
}

/// Changes the tenant's mailbox.
///
/// # Errors
/// `CONFLICT` on an address that is connected for another tenant.
pub async fn change(tx: &mut Tx<Tenant>, changes: &MailboxChanges) -> Outcome<()> {
    let tenant = tx.tenant();
    diesel::update(email_settings::table.find(tenant)).set(changes).execute(tx.conn()).await?;
    Ok(())
}

/// A consent that somebody is sent to Google for.
#[derive(Insertable)]
#[diesel(table_name = email_consents, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct NewConsent {
    pub id: Uuid,
    pub tenant_id: TenantId,
    pub user_id: UserId,
    pub verifier: Vec<u8>,
    pub return_to: Option<String>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Keeps a consent to be had, and forgets those that were never used in time.
///
/// # Errors
/// Database faults.
pub async fn ask(tx: &mut Tx<Tenant>, consent: &NewConsent) -> Outcome<()> {
    let tenant = tx.tenant();
    let old = email_consents::table
        .filter(email_consents::tenant_id.eq(tenant))
        .filter(email_consents::expires_at.lt(consent.created_at));
    diesel::delete(old).execute(tx.conn()).await?;
    diesel::insert_into(email_consents::table).values(consent).execute(tx.conn()).await?;
    Ok(())
}

/// Uses a consent of this person's up: its sealed verifier, and where they want to go back to. Of two that try, one gets it.
///
/// # Errors
/// Database faults.
pub async fn use_up(
    tx: &mut Tx<Tenant>,
    id: Uuid,
    user: UserId,
    now: DateTime<Utc>,
) -> Outcome<Option<(Vec<u8>, Option<String>)>> {
    let tenant = tx.tenant();
    let open = email_consents::table
        .find(id)
        .filter(email_consents::tenant_id.eq(tenant))
        .filter(email_consents::user_id.eq(user))
        .filter(email_consents::used_at.is_null())
        .filter(email_consents::expires_at.gt(now));
    Ok(diesel::update(open)
        .set(email_consents::used_at.eq(now))
        .returning((email_consents::verifier, email_consents::return_to))
        .get_result(tx.conn())
        .await
        .optional()?)
}
