//! `calls`, `call_actions`: what is known of a tenant's calls, and what was done in them; and whose a call is, before anybody
//! is known. Must not know how a provider writes any of it.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde_json::Value;

use crate::{
    db::{
        schema::{call_actions, calls, sms_settings, tenants, voice_settings},
        tables::settings::VoiceRow,
        tx::{Identity, Tenant, Tx},
    },
    kernel::{
        failure::Outcome,
        ids::{CallId, ConversationId, LeadId, TenantId},
        vocabulary::{CallDirection, CallOutcome},
    },
};

/// A call.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = calls)]
#[expect(missing_docs, reason = "the columns are described in the migration and in the graph")]
pub struct CallRow {
    pub id: CallId,
    pub conversation_id: Option<ConversationId>,
    pub created_at: DateTime<Utc>,
    #[diesel(embed)]
    pub known: Known,
}

/// What is known of a call. Of a change, what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = calls, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "as above")]
pub struct Known {
    pub call_control_id: Option<String>,
    pub provider_conversation_id: Option<String>,
    pub lead_id: Option<LeadId>,
    pub direction: Option<CallDirection>,
    pub from_number: Option<String>,
    pub to_number: Option<String>,
    pub customer_number: Option<String>,
    pub agent_number: Option<String>,
    pub is_attested: bool,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub duration_seconds: Option<i32>,
    pub outcome: Option<CallOutcome>,
    pub recording_url: Option<String>,
    pub summary: Option<String>,
    pub insights: Value,
}

/// A call to be.
#[derive(Insertable)]
#[diesel(table_name = calls, treat_none_as_default_value = false)]
struct NewCall {
    tenant_id: TenantId,
    #[diesel(embed)]
    known: Known,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// How the tenant is reached by phone, held until the transaction ends, so that the pieces of its calls come one after the
/// other. `None` where it never said.
///
/// # Errors
/// Database faults.
pub async fn hold_line(tx: &mut Tx<Tenant>) -> Outcome<Option<VoiceRow>> {
    let tenant = tx.tenant();
    Ok(voice_settings::table
        .find(tenant)
        .select(VoiceRow::as_select())
        .for_update()
        .first(tx.conn())
        .await
        .optional()?)
}

/// The call that the provider calls so, locked until the transaction ends.
///
/// # Errors
/// Database faults.
pub async fn lock_by_control(tx: &mut Tx<Tenant>, name: &str) -> Outcome<Option<CallRow>> {
    let tenant = tx.tenant();
    Ok(calls::table
        .filter(calls::tenant_id.eq(tenant))
        .filter(calls::call_control_id.eq(name))
        .select(CallRow::as_select())
        .for_update()
        .first(tx.conn())
        .await
        .optional()?)
}

/// Where the call that the provider calls so is told, if it is by now.
///
/// # Errors
/// Database faults.
pub async fn told_in(tx: &mut Tx<Tenant>, name: &str) -> Outcome<Option<ConversationId>> {
    let tenant = tx.tenant();
    let found: Option<Option<ConversationId>> = calls::table
        .filter(calls::tenant_id.eq(tenant))
        .filter(calls::call_control_id.eq(name))
        .select(calls::conversation_id)
        .first(tx.conn())
        .await
        .optional()?;
    Ok(found.flatten())
}

/// The calls of a conversation at the provider, the oldest first, locked until the transaction ends.
///
/// # Errors
/// Database faults.
pub async fn lock_by_provider_conversation(tx: &mut Tx<Tenant>, name: &str) -> Outcome<Vec<CallRow>> {
    let tenant = tx.tenant();
    Ok(calls::table
        .filter(calls::tenant_id.eq(tenant))
        .filter(calls::provider_conversation_id.eq(name))
        .order(calls::id.asc())
        .select(CallRow::as_select())
        .for_update()
        .load(tx.conn())
        .await?)
}

/// Adds one, unless there is one of that name already.
///
/// # Errors
/// Database faults.
pub async fn insert_if_new(tx: &mut Tx<Tenant>, known: &Known, now: DateTime<Utc>) -> Outcome<Option<CallRow>> {
    let new = NewCall { tenant_id: tx.tenant(), known: known.clone(), created_at: now, updated_at: now };
    Ok(diesel::insert_into(calls::table)
        .values(new)
        .on_conflict((calls::tenant_id, calls::call_control_id))
        .do_nothing()
        .returning(CallRow::as_returning())
        .get_result(tx.conn())
        .await
        .optional()?)
}

/// Says what is known of one now.
///
/// # Errors
/// Database faults.
pub async fn update(tx: &mut Tx<Tenant>, id: CallId, known: &Known, now: DateTime<Utc>) -> Outcome<()> {
    let tenant = tx.tenant();
    diesel::update(calls::table.find(id).filter(calls::tenant_id.eq(tenant)))
        .set((known, calls::updated_at.eq(now)))
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Says where the call is told.
///
/// # Errors
/// Database faults.
pub async fn link(tx: &mut Tx<Tenant>, id: CallId, conversation: ConversationId) -> Outcome<()> {
    let tenant = tx.tenant();
    diesel::update(calls::table.find(id).filter(calls::tenant_id.eq(tenant)))
        .set(calls::conversation_id.eq(conversation))
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Removes one that turned out to be another.
///
/// # Errors
/// Database faults.
pub async fn remove(tx: &mut Tx<Tenant>, id: CallId) -> Outcome<()> {
    let tenant = tx.tenant();
    diesel::delete(calls::table.find(id).filter(calls::tenant_id.eq(tenant))).execute(tx.conn()).await?;
    Ok(())
}

/// The calls of several conversations, for the loader.
///
/// # Errors
/// Database faults.
pub async fn of_conversations(tx: &mut Tx<Tenant>, ids: &[ConversationId]) -> Outcome<Vec<CallRow>> {
    let tenant = tx.tenant();
    Ok(calls::table
        .filter(calls::tenant_id.eq(tenant))
        .filter(calls::conversation_id.eq_any(ids))
        .select(CallRow::as_select())
        .load(tx.conn())
        .await?)
}

/// What was answered when this was done in the call, if it was.
///
/// # Errors
/// Database faults.
pub async fn action(tx: &mut Tx<Tenant>, call: CallId, tool: &str, asked_key: &str) -> Outcome<Option<String>> {
    let tenant = tx.tenant();
    Ok(call_actions::table
        .find((tenant, call, tool, asked_key))
        .select(call_actions::answer)
        .first(tx.conn())
        .await
        .optional()?)
}

/// Something done in a call.
#[derive(Insertable)]
#[diesel(table_name = call_actions, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "as the columns")]
pub struct NewAction<'a> {
    pub tenant_id: TenantId,
    pub call_id: CallId,
    pub tool: &'a str,
    pub asked_key: &'a str,
    pub answer: &'a str,
    pub created_at: DateTime<Utc>,
}

/// Notes that something was done, unless it was noted before.
///
/// # Errors
/// Database faults.
pub async fn keep_action(tx: &mut Tx<Tenant>, action: &NewAction<'_>) -> Outcome<()> {
    diesel::insert_into(call_actions::table).values(action).on_conflict_do_nothing().execute(tx.conn()).await?;
    Ok(())
}

/// The tenants that have a call of this name, or of a conversation of this name.
///
/// # Errors
/// Database faults.
pub async fn owners(
    tx: &mut Tx<Identity>,
    control: Option<&str>,
    conversation: Option<&str>,
) -> Outcome<Vec<TenantId>> {
    Ok(calls::table
        .filter(calls::call_control_id.eq(control).or(calls::provider_conversation_id.eq(conversation)))
        .select(calls::tenant_id)
        .distinct()
        .load(tx.conn())
        .await?)
}

/// Whose assistant, or number, it is.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = voice_settings)]
#[expect(missing_docs, reason = "as the columns")]
pub struct LineRow {
    pub tenant_id: TenantId,
    pub phone_number: Option<String>,
    pub assistant_id: Option<String>,
}

/// The tenants that this assistant, or one of these numbers, belongs to.
///
/// # Errors
/// Database faults.
pub async fn lines(tx: &mut Tx<Identity>, assistant: Option<&str>, numbers: &[String]) -> Outcome<Vec<LineRow>> {
    Ok(voice_settings::table
        .filter(voice_settings::assistant_id.eq(assistant).or(voice_settings::phone_number.eq_any(numbers)))
        .select(LineRow::as_select())
        .load(tx.conn())
        .await?)
}

/// A tenant's door for calls: what its provider signs with, and whether it is open.
#[derive(Debug, Clone)]
pub struct DoorRow {
    /// Whose.
    pub tenant_id: TenantId,
    /// What its provider signs with, base64; `None` for the platform's own.
    pub public_key: Option<String>,
    /// The one assistant that it has told us of.
    pub assistant_id: Option<String>,
    /// The tenant is active, and its calls are switched on.
    pub is_open: bool,
}

type Found = (TenantId, bool, Option<String>, Option<bool>, Option<String>);

/// The doors of several tenants; those that there are not are left out.
///
/// # Errors
/// Database faults.
pub async fn doors(tx: &mut Tx<Identity>, ids: &[TenantId]) -> Outcome<Vec<DoorRow>> {
    let rows: Vec<Found> = tenants::table
        .left_join(sms_settings::table)
        .left_join(voice_settings::table)
        .filter(tenants::id.eq_any(ids))
        .select((
            tenants::id,
            tenants::is_active,
            sms_settings::telnyx_public_key.nullable(),
            voice_settings::is_enabled.nullable(),
            voice_settings::assistant_id.nullable(),
        ))
        .load(tx.conn())
        .await?;
    let door = |(tenant_id, is_active, public_key, is_enabled, assistant_id)| DoorRow {
        tenant_id,
        public_key,
        assistant_id,
        is_open: is_active && is_enabled == Some(true),
    };
    Ok(rows.into_iter().map(door).collect())
}
