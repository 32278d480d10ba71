//! `meetings`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::{
    db::{
        schema::meetings,
        tables::page_of,
        tx::{Tenant, Tx},
    },
    kernel::{
        failure::Outcome,
        ids::{ConversationId, LeadId, MeetingId, TenantId},
        page::{Page, Slice},
        vocabulary::MeetingStatus,
    },
};

/// An appointment.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = meetings)]
#[expect(missing_docs, reason = "the columns are described in the migration and in the graph")]
pub struct MeetingRow {
    pub id: MeetingId,
    pub lead_id: Option<LeadId>,
    pub conversation_id: Option<ConversationId>,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    pub status: MeetingStatus,
    pub title: Option<String>,
    pub notes: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// An appointment to be.
#[derive(Insertable)]
#[diesel(table_name = meetings, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "as the row")]
pub struct NewMeeting {
    pub tenant_id: TenantId,
    pub lead_id: Option<LeadId>,
    pub conversation_id: Option<ConversationId>,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    pub status: MeetingStatus,
    pub title: Option<String>,
    pub notes: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// Which meetings to list.
#[derive(Debug, Default, Clone)]
pub struct MeetingFilter {
    /// Only those with one of these.
    pub status: Option<Vec<MeetingStatus>>,
    /// Only this lead's.
    pub lead: Option<LeadId>,
    /// Only those that came of this conversation.
    pub conversation: Option<ConversationId>,
    /// Only those that begin at this time or later.
    pub starts_from: Option<DateTime<Utc>>,
    /// Only those that begin before this.
    pub starts_before: Option<DateTime<Utc>>,
}

fn filtered(tenant: TenantId, filter: &MeetingFilter) -> meetings::BoxedQuery<'static, diesel::pg::Pg> {
    let mut query = meetings::table.filter(meetings::tenant_id.eq(tenant)).into_boxed();
    if let Some(status) = filter.status.clone() {
        query = query.filter(meetings::status.eq_any(status));
    }
    if let Some(lead) = filter.lead {
        query = query.filter(meetings::lead_id.eq(lead));
    }
    if let Some(conversation) = filter.conversation {
        query = query.filter(meetings::conversation_id.eq(conversation));
    }
    if let Some(from) = filter.starts_from {
        query = query.filter(meetings::starts_at.ge(from));
    }
    if let Some(before) = filter.starts_before {
        query = query.filter(meetings::starts_at.lt(before));
    }
    query
}

/// One meeting.
///
/// # Errors
/// Database faults.
pub async fn find(tx: &mut Tx<Tenant>, id: MeetingId) -> Outcome<Option<MeetingRow>> {
    Ok(find_many(tx, &[id]).await?.pop())
}

/// Several meetings, for the loader.
///
/// # Errors
/// Database faults.
pub async fn find_many(tx: &mut Tx<Tenant>, ids: &[MeetingId]) -> Outcome<Vec<MeetingRow>> {
    let tenant = tx.tenant();
    Ok(meetings::table
        .filter(meetings::id.eq_any(ids))
        .filter(meetings::tenant_id.eq(tenant))
        .select(MeetingRow::as_select())
        .load(tx.conn())
        .await?)
}

/// The next meeting with a lead that begins at `from` or later.
///
/// # Errors
/// Database faults.
pub async fn next_of_lead(tx: &mut Tx<Tenant>, lead: LeadId, from: DateTime<Utc>) -> Outcome<Option<MeetingRow>> {
    let ahead = MeetingFilter {
        status: Some(vec![MeetingStatus::Booked]),
        lead: Some(lead),
        starts_from: Some(from),
        ..MeetingFilter::default()
    };
    Ok(filtered(tx.tenant(), &ahead)
        .order((meetings::starts_at.asc(), meetings::id.asc()))
        .select(MeetingRow::as_select())
        .first(tx.conn())
        .await
        .optional()?)
}

/// The first meetings of a conversation that are booked and begin at `from` or later.
///
/// # Errors
/// Database faults.
pub async fn ahead(
    tx: &mut Tx<Tenant>,
    conversation: ConversationId,
    from: DateTime<Utc>,
    limit: i64,
) -> Outcome<Vec<MeetingRow>> {
    let ahead = MeetingFilter {
        status: Some(vec![MeetingStatus::Booked]),
        conversation: Some(conversation),
        starts_from: Some(from),
        ..MeetingFilter::default()
    };
    Ok(filtered(tx.tenant(), &ahead)
        .order((meetings::starts_at.asc(), meetings::id.asc()))
        .limit(limit)
        .select(MeetingRow::as_select())
        .load(tx.conn())
        .await?)
}

/// A page of meetings by their beginning, in the page's direction.
///
/// # Errors
/// Database faults.
pub async fn page(tx: &mut Tx<Tenant>, filter: &MeetingFilter, page: &Page) -> Outcome<Slice<MeetingRow>> {
    let rows = page_of!(filtered(tx.tenant(), filter), page, meetings::starts_at, meetings::id)
        .select(MeetingRow::as_select())
        .load(tx.conn())
        .await?;
    Ok(page.cut(rows))
}

/// How many meetings there are.
///
/// # Errors
/// Database faults.
pub async fn count(tx: &mut Tx<Tenant>, filter: &MeetingFilter) -> Outcome<i64> {
    Ok(filtered(tx.tenant(), filter).count().get_result(tx.conn()).await?)
}

/// The meetings that are booked and lie, in whole or in part, between two moments.
///
/// # Errors
/// Database faults.
pub async fn booked(tx: &mut Tx<Tenant>, from: DateTime<Utc>, to: DateTime<Utc>) -> Outcome<Vec<MeetingRow>> {
    let tenant = tx.tenant();
    Ok(meetings::table
        .filter(meetings::tenant_id.eq(tenant))
        .filter(meetings::status.eq(MeetingStatus::Booked))
        .filter(meetings::starts_at.lt(to))
        .filter(meetings::ends_at.gt(from))
        .select(MeetingRow::as_select())
        .load(tx.conn())
        .await?)
}

/// The meeting of a conversation that is booked for a moment.
///
/// # Errors
/// Database faults.
pub async fn of_conversation(
    tx: &mut Tx<Tenant>,
    conversation: ConversationId,
    starts_at: DateTime<Utc>,
) -> Outcome<Option<MeetingRow>> {
    let tenant = tx.tenant();
    Ok(meetings::table
        .filter(meetings::tenant_id.eq(tenant))
        .filter(meetings::status.eq(MeetingStatus::Booked))
        .filter(meetings::conversation_id.eq(conversation))
        .filter(meetings::starts_at.eq(starts_at))
        .select(MeetingRow::as_select())
        .first(tx.conn())
        .await
        .optional()?)
}

/// Books one.
///
/// # Errors
/// `CONFLICT` when the time is taken.
pub async fn insert(tx: &mut Tx<Tenant>, meeting: &NewMeeting) -> Outcome<MeetingRow> {
    Ok(diesel::insert_into(meetings::table)
        .values(meeting)
        .returning(MeetingRow::as_returning())
        .get_result(tx.conn())
        .await?)
}

/// Calls one off. Nothing comes back for one that is not there, or was called off before.
///
/// # Errors
/// Database faults.
pub async fn cancel(tx: &mut Tx<Tenant>, id: MeetingId, at: DateTime<Utc>) -> Outcome<Option<MeetingRow>> {
    let tenant = tx.tenant();
    let open = meetings::table
        .find(id)
        .filter(meetings::tenant_id.eq(tenant))
        .filter(meetings::status.eq(MeetingStatus::Booked));
    Ok(diesel::update(open)
        .set((meetings::status.eq(MeetingStatus::Cancelled), meetings::updated_at.eq(at)))
        .returning(MeetingRow::as_returning())
        .get_result(tx.conn())
        .await
        .optional()?)
}
