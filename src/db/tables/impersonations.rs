//! `impersonations`: leases by which global administrators look into a tenant.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::{
    db::{
        schema::impersonations,
        tables::page_of,
        tx::{Admin, Identity, Tx, Viewpoint},
    },
    kernel::{
        failure::Outcome,
        ids::{ImpersonationId, TenantId, UserId},
        page::{Page, Slice},
    },
};

/// A lease.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = impersonations)]
#[expect(missing_docs, reason = "the columns are described in the migration and in the graph")]
pub struct ImpersonationRow {
    pub id: ImpersonationId,
    pub tenant_id: TenantId,
    pub actor_id: UserId,
    pub reason: String,
    pub is_read_only: bool,
    pub started_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
}

/// A lease to be.
#[derive(Insertable)]
#[diesel(table_name = impersonations, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "as the row")]
pub struct NewImpersonation {
    pub tenant_id: TenantId,
    pub actor_id: UserId,
    pub reason: String,
    pub is_read_only: bool,
    pub started_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// From inside a tenant: those that looked into it. From the platform: all.
fn seen(from: Option<TenantId>) -> impersonations::BoxedQuery<'static, diesel::pg::Pg> {
    let query = impersonations::table.into_boxed();
    match from {
        Some(tenant) => query.filter(impersonations::tenant_id.eq(tenant)),
        None => query,
    }
}

/// By id, to find out whether a token of it stands.
///
/// # Errors
/// Database faults.
pub async fn identified(tx: &mut Tx<Identity>, id: ImpersonationId) -> Outcome<Option<ImpersonationRow>> {
    Ok(impersonations::table.find(id).select(ImpersonationRow::as_select()).first(tx.conn()).await.optional()?)
}

/// One lease.
///
/// # Errors
/// Database faults.
pub async fn find<V: Viewpoint>(tx: &mut Tx<V>, id: ImpersonationId) -> Outcome<Option<ImpersonationRow>> {
    Ok(seen(tx.viewpoint())
        .filter(impersonations::id.eq(id))
        .select(ImpersonationRow::as_select())
        .first(tx.conn())
        .await
        .optional()?)
}

/// Several leases, for the loader.
///
/// # Errors
/// Database faults.
pub async fn find_many<V: Viewpoint>(tx: &mut Tx<V>, ids: &[ImpersonationId]) -> Outcome<Vec<ImpersonationRow>> {
    Ok(seen(tx.viewpoint())
        .filter(impersonations::id.eq_any(ids.to_vec()))
        .select(ImpersonationRow::as_select())
        .load(tx.conn())
        .await?)
}

/// A page of leases, newest first.
///
/// # Errors
/// Database faults.
pub async fn page<V: Viewpoint>(tx: &mut Tx<V>, page: &Page) -> Outcome<Slice<ImpersonationRow>> {
    let rows = page_of!(seen(tx.viewpoint()), page, impersonations::started_at, impersonations::id)
        .select(ImpersonationRow::as_select())
        .load(tx.conn())
        .await?;
    Ok(page.cut(rows))
}

/// How many leases there are.
///
/// # Errors
/// Database faults.
pub async fn count<V: Viewpoint>(tx: &mut Tx<V>) -> Outcome<i64> {
    Ok(seen(tx.viewpoint()).count().get_result(tx.conn()).await?)
}

/// Gives one.
///
/// # Errors
/// Database faults.
pub async fn insert(tx: &mut Tx<Admin>, lease: &NewImpersonation) -> Outcome<ImpersonationRow> {
    Ok(diesel::insert_into(impersonations::table)
        .values(lease)
        .returning(ImpersonationRow::as_returning())
        .get_result(tx.conn())
        .await?)
}

/// Ends one that stands; nothing comes back for one that was ended, or whose time has run out.
///
/// # Errors
/// Database faults.
pub async fn end(tx: &mut Tx<Admin>, id: ImpersonationId, now: DateTime<Utc>) -> Outcome<Option<ImpersonationRow>> {
    let standing = impersonations::table
        .find(id)
        .filter(impersonations::ended_at.is_null())
        .filter(impersonations::expires_at.gt(now));
    Ok(diesel::update(standing)
        .set(impersonations::ended_at.eq(now))
        .returning(ImpersonationRow::as_returning())
        .get_result(tx.altering())
        .await
        .optional()?)
}
