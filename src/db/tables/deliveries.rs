//! `webhook_deliveries`: what providers delivered.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::{
    db::{
        schema::webhook_deliveries,
        tables::page_of,
        tx::{Tenant, Tx, Viewpoint},
    },
    kernel::{
        failure::Outcome,
        ids::{DeliveryId, TenantId},
        page::{Page, Slice},
        vocabulary::DeliveryStatus,
    },
};

/// A delivered event, without its body.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = webhook_deliveries)]
#[expect(missing_docs, reason = "the columns are described in the migration and in the graph")]
pub struct DeliveryRow {
    pub id: DeliveryId,
    pub provider: String,
    pub event_id: String,
    pub event_type: String,
    pub status: DeliveryStatus,
    pub attempts: i32,
    pub last_error: Option<String>,
    pub received_at: DateTime<Utc>,
    pub processed_at: Option<DateTime<Utc>>,
}

/// Which deliveries to list.
#[derive(Debug, Default, Clone)]
pub struct DeliveryFilter {
    /// Only this provider's.
    pub provider: Option<String>,
    /// Only those with one of these.
    pub status: Option<Vec<DeliveryStatus>>,
}

/// From inside a tenant: its own. From the platform: those that named no tenant we know.
fn filtered(
    from: Option<TenantId>,
    filter: &DeliveryFilter,
) -> webhook_deliveries::BoxedQuery<'static, diesel::pg::Pg> {
    let mut query = webhook_deliveries::table.into_boxed();
    query = match from {
        Some(tenant) => query.filter(webhook_deliveries::tenant_id.eq(tenant)),
        None => query.filter(webhook_deliveries::tenant_id.is_null()),
    };
    if let Some(provider) = filter.provider.clone() {
        query = query.filter(webhook_deliveries::provider.eq(provider));
    }
    if let Some(status) = filter.status.clone() {
        query = query.filter(webhook_deliveries::status.eq_any(status));
    }
    query
}

/// One delivery.
///
/// # Errors
/// Database faults.
pub async fn find<V: Viewpoint>(tx: &mut Tx<V>, id: DeliveryId) -> Outcome<Option<DeliveryRow>> {
    Ok(filtered(tx.viewpoint(), &DeliveryFilter::default())
        .filter(webhook_deliveries::id.eq(id))
        .select(DeliveryRow::as_select())
        .first(tx.conn())
        .await
        .optional()?)
}

/// Several deliveries, for the loader.
///
/// # Errors
/// Database faults.
pub async fn find_many<V: Viewpoint>(tx: &mut Tx<V>, ids: &[DeliveryId]) -> Outcome<Vec<DeliveryRow>> {
    Ok(filtered(tx.viewpoint(), &DeliveryFilter::default())
        .filter(webhook_deliveries::id.eq_any(ids.to_vec()))
        .select(DeliveryRow::as_select())
        .load(tx.conn())
        .await?)
}

/// A page of deliveries, newest first.
///
/// # Errors
/// Database faults.
pub async fn page<V: Viewpoint>(tx: &mut Tx<V>, filter: &DeliveryFilter, page: &Page) -> Outcome<Slice<DeliveryRow>> {
    let query = filtered(tx.viewpoint(), filter);
    let rows = page_of!(query, page, webhook_deliveries::received_at, webhook_deliveries::id)
        .select(DeliveryRow::as_select())
        .load(tx.conn())
        .await?;
    Ok(page.cut(rows))
}

/// How many deliveries there are.
///
/// # Errors
/// Database faults.
pub async fn count<V: Viewpoint>(tx: &mut Tx<V>, filter: &DeliveryFilter) -> Outcome<i64> {
    Ok(filtered(tx.viewpoint(), filter).count().get_result(tx.conn()).await?)
}

/// Puts one whose work failed in line again, as if it had just come; nothing comes back for others.
///
/// # Errors
/// Database faults.
pub async fn retry(tx: &mut Tx<Tenant>, id: DeliveryId) -> Outcome<Option<DeliveryRow>> {
    let tenant = tx.tenant();
    Ok(diesel::update(
        webhook_deliveries::table
            .find(id)
            .filter(webhook_deliveries::tenant_id.eq(tenant))
            .filter(webhook_deliveries::status.eq_any([DeliveryStatus::Failed, DeliveryStatus::Dead])),
    )
    .set((
        webhook_deliveries::status.eq(DeliveryStatus::Received),
        webhook_deliveries::attempts.eq(0),
        webhook_deliveries::last_error.eq(None::<String>),
    ))
    .returning(DeliveryRow::as_returning())
    .get_result(tx.conn())
    .await
    .optional()?)
}
