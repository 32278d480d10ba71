//! `prompt_bundles` and `prompt_sections`.

mod drafts;

use chrono::{DateTime, Utc};
use diesel::{pg::Pg, prelude::*};
use diesel_async::RunQueryDsl;

use crate::{
    db::{
        schema::{prompt_bundles, prompt_sections},
        tables::page_of,
        tx::{Admin, Tenant, Tx, Viewpoint, Worker},
    },
    kernel::{
        failure::Outcome,
        ids::{BundleId, TenantId},
        page::{Page, Slice},
        vocabulary::{Channel, PromptStatus},
    },
};

pub use drafts::{NewSection, archive, insert_draft, lock, publish, rewrite_draft};

/// A bundle, without its sections.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = prompt_bundles)]
#[expect(missing_docs, reason = "the columns are described in the migration and in the graph")]
pub struct BundleRow {
    pub id: BundleId,
    pub tenant_id: Option<TenantId>,
    pub name: String,
    pub status: PromptStatus,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub published_at: Option<DateTime<Utc>>,
}

/// A section.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = prompt_sections)]
#[expect(missing_docs, reason = "the columns are described in the migration and in the graph")]
pub struct SectionRow {
    pub bundle_id: BundleId,
    pub key: String,
    pub content: String,
    pub position: i32,
    pub channels: Option<serde_json::Value>,
    pub is_locked: bool,
}

impl SectionRow {
    /// The channels it is for; `None` for all.
    #[must_use]
    pub fn channels(&self) -> Option<Vec<Channel>> {
        self.channels.clone().and_then(|list| serde_json::from_value(list).ok())
    }
}

/// The sections in production: the global base's, then the tenant's own.
///
/// # Errors
/// Database faults.
pub async fn in_production(tx: &Tx<Tenant>) -> Outcome<(Vec<SectionRow>, Vec<SectionRow>)> {
    let tenant = tx.tenant();
    let rows: Vec<(Option<TenantId>, SectionRow)> = prompt_sections::table
        .inner_join(prompt_bundles::table.on(prompt_bundles::id.eq(prompt_sections::bundle_id)))
        .filter(prompt_bundles::status.eq(PromptStatus::Production))
        .filter(prompt_bundles::tenant_id.is_null().or(prompt_bundles::tenant_id.eq(tenant)))
        .order((prompt_sections::position.asc(), prompt_sections::key.asc()))
        .select((prompt_bundles::tenant_id, SectionRow::as_select()))
        .load(&mut tx.line())
        .await?;
    let (base, own): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(owner, _)| owner.is_none());
    let sections = |rows: Vec<(_, SectionRow)>| rows.into_iter().map(|(_, section)| section).collect();
    Ok((sections(base), sections(own)))
}

/// From inside a tenant: its own, and the base's that is in production. From the platform: the base's.
fn readable(from: Option<TenantId>) -> prompt_bundles::BoxedQuery<'static, Pg> {
    let query = prompt_bundles::table.into_boxed();
    match from {
        Some(tenant) => query.filter(
            prompt_bundles::tenant_id
                .is_not_distinct_from(Some(tenant))
                .or(prompt_bundles::tenant_id.is_null().and(prompt_bundles::status.eq(PromptStatus::Production))),
        ),
        None => query.filter(prompt_bundles::tenant_id.is_null()),
    }
}

/// Sections of bundles, for the loader.
///
/// # Errors
/// Database faults.
pub async fn sections<V: Viewpoint>(tx: &mut Tx<V>, bundles: &[BundleId]) -> Outcome<Vec<SectionRow>> {
    let from = tx.viewpoint();
    Ok(prompt_sections::table
        .filter(prompt_sections::bundle_id.eq_any(bundles))
        .filter(prompt_sections::tenant_id.is_null().or(prompt_sections::tenant_id.is_not_distinct_from(from)))
        .order((prompt_sections::position.asc(), prompt_sections::key.asc()))
        .select(SectionRow::as_select())
        .load(tx.conn())
        .await?)
}

/// The base's sections that are in production.
///
/// # Errors
/// Database faults.
pub async fn base_in_production(tx: &mut Tx<Admin>) -> Outcome<Vec<SectionRow>> {
    Ok(prompt_sections::table
        .inner_join(prompt_bundles::table.on(prompt_bundles::id.eq(prompt_sections::bundle_id)))
        .filter(prompt_bundles::status.eq(PromptStatus::Production))
        .filter(prompt_bundles::tenant_id.is_null())
        .select(SectionRow::as_select())
        .load(tx.conn())
        .await?)
}

/// One bundle.
///
/// # Errors
/// Database faults.
pub async fn find<V: Viewpoint>(tx: &mut Tx<V>, id: BundleId) -> Outcome<Option<BundleRow>> {
    Ok(readable(tx.viewpoint())
        .filter(prompt_bundles::id.eq(id))
        .select(BundleRow::as_select())
        .first(tx.conn())
        .await
        .optional()?)
}

/// Several bundles, for the loader.
///
/// # Errors
/// Database faults.
pub async fn find_many<V: Viewpoint>(tx: &mut Tx<V>, ids: &[BundleId]) -> Outcome<Vec<BundleRow>> {
    Ok(readable(tx.viewpoint())
        .filter(prompt_bundles::id.eq_any(ids.to_vec()))
        .select(BundleRow::as_select())
        .load(tx.conn())
        .await?)
}

/// Which bundles to list.
#[derive(Debug, Default, Clone)]
pub struct BundleFilter {
    /// Only those with one of these.
    pub status: Option<Vec<PromptStatus>>,
    /// Only the base's, or only the tenant's own.
    pub is_global: Option<bool>,
}

fn filtered(from: Option<TenantId>, filter: &BundleFilter) -> prompt_bundles::BoxedQuery<'static, Pg> {
    let mut query = readable(from);
    if let Some(status) = filter.status.clone() {
        query = query.filter(prompt_bundles::status.eq_any(status));
    }
    match filter.is_global {
        Some(true) => query.filter(prompt_bundles::tenant_id.is_null()),
        Some(false) => query.filter(prompt_bundles::tenant_id.is_not_null()),
        None => query,
    }
}

/// A page of bundles, newest first.
///
/// # Errors
/// Database faults.
pub async fn page<V: Viewpoint>(tx: &mut Tx<V>, filter: &BundleFilter, page: &Page) -> Outcome<Slice<BundleRow>> {
    let query = filtered(tx.viewpoint(), filter);
    let rows = page_of!(query, page, prompt_bundles::created_at, prompt_bundles::id)
        .select(BundleRow::as_select())
        .load(tx.conn())
        .await?;
    Ok(page.cut(rows))
}

/// How many bundles there are.
///
/// # Errors
/// Database faults.
pub async fn count<V: Viewpoint>(tx: &mut Tx<V>, filter: &BundleFilter) -> Outcome<i64> {
    Ok(filtered(tx.viewpoint(), filter).count().get_result(tx.conn()).await?)
}

/// Whether the global base has a bundle in production.
///
/// # Errors
/// Database faults.
pub async fn base_exists(tx: &mut Tx<Admin>) -> Outcome<bool> {
    Ok(diesel::select(diesel::dsl::exists(
        prompt_bundles::table
            .filter(prompt_bundles::tenant_id.is_null())
            .filter(prompt_bundles::status.eq(PromptStatus::Production)),
    ))
    .get_result(tx.conn())
    .await?)
}

/// Which of several tenants have a bundle of their own in production.
///
/// # Errors
/// Database faults.
pub async fn prompted<V: Viewpoint>(tx: &mut Tx<V>, tenants: &[TenantId]) -> Outcome<Vec<TenantId>> {
    let found: Vec<Option<TenantId>> = prompt_bundles::table
        .filter(prompt_bundles::tenant_id.eq_any(tenants))
        .filter(prompt_bundles::status.eq(PromptStatus::Production))
        .select(prompt_bundles::tenant_id)
        .load(tx.conn())
        .await?;
    Ok(found.into_iter().flatten().collect())
}

/// Tenants' sections in production: where they stand and whom they are for, not what they say.
///
/// # Errors
/// Database faults.
pub async fn shapes(tx: &mut Tx<Worker>, tenants: &[TenantId]) -> Outcome<Vec<(TenantId, SectionRow)>> {
    type Shape = (Option<TenantId>, BundleId, String, i32, Option<serde_json::Value>, bool);
    let rows: Vec<Shape> = prompt_sections::table
        .filter(prompt_sections::tenant_id.eq_any(tenants))
        .filter(diesel::dsl::exists(
            prompt_bundles::table
                .filter(prompt_bundles::id.eq(prompt_sections::bundle_id))
                .filter(prompt_bundles::status.eq(PromptStatus::Production))
                .select(prompt_bundles::id),
        ))
        .select((
            prompt_sections::tenant_id,
            prompt_sections::bundle_id,
            prompt_sections::key,
            prompt_sections::position,
            prompt_sections::channels,
            prompt_sections::is_locked,
        ))
        .load(tx.conn())
        .await?;
    let shape = |(tenant, bundle_id, key, position, channels, is_locked): Shape| {
        Some((tenant?, SectionRow { bundle_id, key, content: String::new(), position, channels, is_locked }))
    };
    Ok(rows.into_iter().filter_map(shape).collect())
}
