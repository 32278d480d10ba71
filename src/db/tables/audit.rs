//! `audit_entries`: added in the transaction of what they record, never changed.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::{
    db::{
        entry::NewEntry,
        schema::audit_entries,
        tables::page_of,
        tx::{Identity, Tx, Viewpoint},
    },
    kernel::{
        failure::Outcome,
        ids::{AuditId, ImpersonationId, TenantId, UserId},
        page::{Page, Slice},
        vocabulary::AuditOutcome,
    },
};

/// Something that was done, or tried.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = audit_entries)]
#[expect(missing_docs, reason = "the columns are described in the migration and in the graph")]
pub struct EntryRow {
    pub id: AuditId,
    pub at: DateTime<Utc>,
    pub tenant_id: Option<TenantId>,
    pub actor_id: Option<UserId>,
    pub impersonation_id: Option<ImpersonationId>,
    pub impersonated: bool,
    pub action: String,
    pub target: Option<String>,
    pub request_id: String,
    pub detail: Option<String>,
    pub outcome: AuditOutcome,
}

/// Records something done inside a tenant, or to the platform.
pub fn record<V: Viewpoint>(tx: &mut Tx<V>, entry: NewEntry) {
    tx.note(entry);
}

/// Records what happens at the door: sign-ins, and who comes in on a visit.
pub fn at_door(tx: &mut Tx<Identity>, entry: NewEntry) {
    tx.note(entry);
}

/// Which entries to list.
#[derive(Debug, Default, Clone)]
pub struct AuditFilter {
    /// Only this action, or those whose name begins with it and a dot.
    pub action: Option<String>,
    /// Only what this person did.
    pub actor: Option<UserId>,
    /// Only what happened after this.
    pub after: Option<DateTime<Utc>>,
    /// Only what happened before this.
    pub before: Option<DateTime<Utc>>,
}

/// From inside a tenant: its own. From the platform: all.
fn filtered(from: Option<TenantId>, filter: &AuditFilter) -> audit_entries::BoxedQuery<'static, diesel::pg::Pg> {
    let mut query = audit_entries::table.into_boxed();
    if let Some(tenant) = from {
        query = query.filter(audit_entries::tenant_id.eq(tenant));
    }
    if let Some(action) = &filter.action {
        let family = format!("{}.%", super::literal(action));
        query = query.filter(audit_entries::action.eq(action.clone()).or(audit_entries::action.like(family)));
    }
    if let Some(actor) = filter.actor {
        query = query.filter(audit_entries::actor_id.eq(actor));
    }
    if let Some(after) = filter.after {
        query = query.filter(audit_entries::at.gt(after));
    }
    if let Some(before) = filter.before {
        query = query.filter(audit_entries::at.lt(before));
    }
    query
}

/// Several entries, for the loader.
///
/// # Errors
/// Database faults.
pub async fn find_many<V: Viewpoint>(tx: &mut Tx<V>, ids: &[AuditId]) -> Outcome<Vec<EntryRow>> {
    Ok(filtered(tx.viewpoint(), &AuditFilter::default())
        .filter(audit_entries::id.eq_any(ids.to_vec()))
        .select(EntryRow::as_select())
        .load(tx.conn())
        .await?)
}

/// A page of entries, newest first.
///
/// # Errors
/// Database faults.
pub async fn page<V: Viewpoint>(tx: &mut Tx<V>, filter: &AuditFilter, page: &Page) -> Outcome<Slice<EntryRow>> {
    let rows = page_of!(filtered(tx.viewpoint(), filter), page, audit_entries::at, audit_entries::id)
        .select(EntryRow::as_select())
        .load(tx.conn())
        .await?;
    Ok(page.cut(rows))
}

/// How many entries there are.
///
/// # Errors
/// Database faults.
pub async fn count<V: Viewpoint>(tx: &mut Tx<V>, filter: &AuditFilter) -> Outcome<i64> {
    Ok(filtered(tx.viewpoint(), filter).count().get_result(tx.conn()).await?)
}
