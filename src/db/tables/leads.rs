//! `leads`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::{
    db::{
        schema::leads,
        tables::page_of,
        tx::{Tenant, Tx},
    },
    kernel::{
        failure::Outcome,
        ids::{LeadId, TenantId},
        page::{Page, Slice},
        vocabulary::{Channel, LeadStatus},
    },
};

/// A person who might buy.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = leads)]
#[expect(missing_docs, reason = "the columns are described in the migration and in the graph")]
pub struct LeadRow {
    pub id: LeadId,
    pub name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub source: Channel,
    pub status: LeadStatus,
    pub notes: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A lead to be.
#[derive(Insertable)]
#[diesel(table_name = leads)]
#[expect(missing_docs, reason = "as the row")]
pub struct NewLead {
    pub tenant_id: TenantId,
    pub name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub source: Channel,
    pub status: LeadStatus,
    pub notes: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// One lead.
///
/// # Errors
/// Database faults.
pub async fn find(tx: &mut Tx<Tenant>, id: LeadId) -> Outcome<Option<LeadRow>> {
    let tenant = tx.tenant();
    Ok(leads::table
        .find(id)
        .filter(leads::tenant_id.eq(tenant))
        .select(LeadRow::as_select())
        .first(tx.conn())
        .await
        .optional()?)
}

/// Several leads, for the loader.
///
/// # Errors
/// Database faults.
pub async fn find_many(tx: &mut Tx<Tenant>, ids: &[LeadId]) -> Outcome<Vec<LeadRow>> {
    let tenant = tx.tenant();
    Ok(leads::table
        .filter(leads::id.eq_any(ids))
        .filter(leads::tenant_id.eq(tenant))
        .select(LeadRow::as_select())
        .load(tx.conn())
        .await?)
}

/// A page of leads, newest first.
///
/// # Errors
/// Database faults.
pub async fn page(tx: &mut Tx<Tenant>, page: &Page) -> Outcome<Slice<LeadRow>> {
    let own = leads::table.filter(leads::tenant_id.eq(tx.tenant())).into_boxed();
    let rows = page_of!(own, page, leads::created_at, leads::id).select(LeadRow::as_select()).load(tx.conn()).await?;
    Ok(page.cut(rows))
}

/// How many leads there are.
///
/// # Errors
/// Database faults.
pub async fn count(tx: &mut Tx<Tenant>) -> Outcome<i64> {
    let tenant = tx.tenant();
    Ok(leads::table.filter(leads::tenant_id.eq(tenant)).count().get_result(tx.conn()).await?)
}

/// Adds one.
///
/// # Errors
/// Database faults.
pub async fn insert(tx: &mut Tx<Tenant>, lead: &NewLead) -> Outcome<LeadRow> {
    Ok(diesel::insert_into(leads::table).values(lead).returning(LeadRow::as_returning()).get_result(tx.conn()).await?)
}
