//! `conversations`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::{
    db::{
        schema::conversations,
        tables::page_of,
        tx::{Tenant, Tx},
    },
    kernel::{
        failure::Outcome,
        ids::{ConversationId, LeadId, TenantId},
        page::{Page, Slice},
        vocabulary::{Channel, ConversationStatus},
    },
};

/// One thread on one channel.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = conversations)]
#[expect(missing_docs, reason = "the columns are described in the migration and in the graph")]
pub struct ConversationRow {
    pub id: ConversationId,
    pub channel: Channel,
    pub status: ConversationStatus,
    pub lead_id: Option<LeadId>,
    pub subject: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A thread to be.
#[derive(Insertable)]
#[diesel(table_name = conversations)]
#[expect(missing_docs, reason = "as the row")]
pub struct NewConversation {
    pub tenant_id: TenantId,
    pub channel: Channel,
    pub status: ConversationStatus,
    pub lead_id: Option<LeadId>,
    pub subject: Option<String>,
    pub contact: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// One conversation.
///
/// # Errors
/// Database faults.
pub async fn find(tx: &mut Tx<Tenant>, id: ConversationId) -> Outcome<Option<ConversationRow>> {
    let tenant = tx.tenant();
    Ok(conversations::table
        .find(id)
        .filter(conversations::tenant_id.eq(tenant))
        .select(ConversationRow::as_select())
        .first(tx.conn())
        .await
        .optional()?)
}

/// Several conversations, for the loader.
///
/// # Errors
/// Database faults.
pub async fn find_many(tx: &mut Tx<Tenant>, ids: &[ConversationId]) -> Outcome<Vec<ConversationRow>> {
    let tenant = tx.tenant();
    Ok(conversations::table
        .filter(conversations::id.eq_any(ids))
        .filter(conversations::tenant_id.eq(tenant))
        .select(ConversationRow::as_select())
        .load(tx.conn())
        .await?)
}

/// One conversation, locked until the transaction ends: messages join it one after the other.
///
/// # Errors
/// Database faults.
pub async fn lock(tx: &mut Tx<Tenant>, id: ConversationId) -> Outcome<Option<ConversationRow>> {
    let tenant = tx.tenant();
    Ok(conversations::table
        .find(id)
        .filter(conversations::tenant_id.eq(tenant))
        .select(ConversationRow::as_select())
        .for_update()
        .first(tx.conn())
        .await
        .optional()?)
}

/// Which conversations to list.
#[derive(Debug, Default, Clone)]
pub struct ConversationFilter {
    /// Only those with this lead.
    pub lead: Option<LeadId>,
    /// Only those with one of these.
    pub status: Option<Vec<ConversationStatus>>,
    /// Only those on one of these.
    pub channel: Option<Vec<Channel>>,
    /// Only those begun after this.
    pub created_after: Option<DateTime<Utc>>,
    /// Only those begun before this.
    pub created_before: Option<DateTime<Utc>>,
}

fn filtered(tenant: TenantId, filter: &ConversationFilter) -> conversations::BoxedQuery<'static, diesel::pg::Pg> {
    let mut query = conversations::table.filter(conversations::tenant_id.eq(tenant)).into_boxed();
    if let Some(lead) = filter.lead {
        query = query.filter(conversations::lead_id.eq(lead));
    }
    if let Some(status) = filter.status.clone() {
        query = query.filter(conversations::status.eq_any(status));
    }
    if let Some(channel) = filter.channel.clone() {
        query = query.filter(conversations::channel.eq_any(channel));
    }
    if let Some(after) = filter.created_after {
        query = query.filter(conversations::created_at.gt(after));
    }
    if let Some(before) = filter.created_before {
        query = query.filter(conversations::created_at.lt(before));
    }
    query
}

/// A page of conversations, newest first.
///
/// # Errors
/// Database faults.
pub async fn page(tx: &mut Tx<Tenant>, filter: &ConversationFilter, page: &Page) -> Outcome<Slice<ConversationRow>> {
    let rows = page_of!(filtered(tx.tenant(), filter), page, conversations::created_at, conversations::id)
        .select(ConversationRow::as_select())
        .load(tx.conn())
        .await?;
    Ok(page.cut(rows))
}

/// How many conversations there are.
///
/// # Errors
/// Database faults.
pub async fn count(tx: &mut Tx<Tenant>, filter: &ConversationFilter) -> Outcome<i64> {
    Ok(filtered(tx.tenant(), filter).count().get_result(tx.conn()).await?)
}

/// Opens one.
///
/// # Errors
/// Database faults.
pub async fn insert(tx: &mut Tx<Tenant>, conversation: &NewConversation) -> Outcome<ConversationRow> {
    Ok(diesel::insert_into(conversations::table)
        .values(conversation)
        .returning(ConversationRow::as_returning())
        .get_result(tx.conn())
        .await?)
}

/// Opens one for a contact, or gives the one that is open for it already: of many that try at once, all get the same.
/// Locked until the transaction ends.
///
/// # Errors
/// Database faults.
pub async fn open_for_contact(tx: &mut Tx<Tenant>, conversation: &NewConversation) -> Outcome<ConversationRow> {
    diesel::insert_into(conversations::table)
        .values(conversation)
        .on_conflict((conversations::tenant_id, conversations::channel, conversations::contact))
        .do_nothing()
        .execute(tx.conn())
        .await?;
    let tenant = tx.tenant();
    Ok(conversations::table
        .filter(conversations::tenant_id.eq(tenant))
        .filter(conversations::channel.eq(conversation.channel))
        .filter(conversations::contact.eq(&conversation.contact))
        .select(ConversationRow::as_select())
        .for_update()
        .first(tx.conn())
        .await?)
}

/// What can change about one. The outer `None` leaves a column as it is, an inner one clears it.
#[derive(AsChangeset)]
#[diesel(table_name = conversations)]
#[expect(missing_docs, reason = "as the row")]
pub struct ConversationChanges {
    pub status: Option<ConversationStatus>,
    pub lead_id: Option<Option<LeadId>>,
    pub subject: Option<Option<String>>,
    pub updated_at: DateTime<Utc>,
}

/// Changes one.
///
/// # Errors
/// Database faults.
pub async fn update(
    tx: &mut Tx<Tenant>,
    id: ConversationId,
    changes: &ConversationChanges,
) -> Outcome<Option<ConversationRow>> {
    let tenant = tx.tenant();
    Ok(diesel::update(conversations::table.find(id).filter(conversations::tenant_id.eq(tenant)))
        .set(changes)
        .returning(ConversationRow::as_returning())
        .get_result(tx.conn())
        .await
        .optional()?)
}
