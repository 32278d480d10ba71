//! `prompt_bundles` and `prompt_sections`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::{
    db::{
        schema::{prompt_bundles, prompt_sections},
        tx::{Admin, Tenant, Tx},
    },
    kernel::{
        failure::Outcome,
        ids::{BundleId, TenantId},
        vocabulary::{Channel, PromptStatus},
    },
};

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

/// A section to be, as a form.
#[derive(Debug, Clone)]
pub struct NewSection {
    /// Unique within its bundle; a tenant's section replaces the base's of the same key.
    pub key: String,
    /// What the model is told.
    pub content: String,
    /// Where it stands.
    pub position: i32,
    /// The channels it is for; `None` for all.
    pub channels: Option<Vec<Channel>>,
    /// A tenant can't override it.
    pub is_locked: bool,
}

#[derive(Insertable)]
#[diesel(table_name = prompt_bundles)]
struct NewBundle<'a> {
    tenant_id: Option<TenantId>,
    name: &'a str,
    status: PromptStatus,
    version: i32,
    created_at: DateTime<Utc>,
    published_at: Option<DateTime<Utc>>,
}

#[derive(Insertable)]
#[diesel(table_name = prompt_sections)]
struct SectionForm<'a> {
    tenant_id: Option<TenantId>,
    bundle_id: BundleId,
    key: &'a str,
    content: &'a str,
    position: i32,
    channels: Option<serde_json::Value>,
    is_locked: bool,
}

/// The sections in production: the global base's, then the tenant's own.
///
/// # Errors
/// Database faults.
pub async fn in_production(tx: &mut Tx<Tenant>) -> Outcome<(Vec<SectionRow>, Vec<SectionRow>)> {
    let tenant = tx.tenant();
    let rows: Vec<(Option<TenantId>, SectionRow)> = prompt_sections::table
        .inner_join(prompt_bundles::table.on(prompt_bundles::id.eq(prompt_sections::bundle_id)))
        .filter(prompt_bundles::status.eq(PromptStatus::Production))
        .filter(prompt_bundles::tenant_id.is_null().or(prompt_bundles::tenant_id.eq(tenant)))
        .order((prompt_sections::position.asc(), prompt_sections::key.asc()))
        .select((prompt_bundles::tenant_id, SectionRow::as_select()))
        .load(tx.conn())
        .await?;
    let (base, own): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(owner, _)| owner.is_none());
    let sections = |rows: Vec<(_, SectionRow)>| rows.into_iter().map(|(_, section)| section).collect();
    Ok((sections(base), sections(own)))
}

/// Sections of bundles, for the loader. The base's may be read by every tenant.
///
/// # Errors
/// Database faults.
pub async fn sections(tx: &mut Tx<Tenant>, bundles: &[BundleId]) -> Outcome<Vec<SectionRow>> {
    let tenant = tx.tenant();
    Ok(prompt_sections::table
        .filter(prompt_sections::bundle_id.eq_any(bundles))
        .filter(prompt_sections::tenant_id.is_null().or(prompt_sections::tenant_id.eq(tenant)))
        .order((prompt_sections::position.asc(), prompt_sections::key.asc()))
        .select(SectionRow::as_select())
        .load(tx.conn())
        .await?)
}

/// One bundle: the tenant's own, or the global base's.
///
/// # Errors
/// Database faults.
pub async fn find(tx: &mut Tx<Tenant>, id: BundleId) -> Outcome<Option<BundleRow>> {
    let tenant = tx.tenant();
    Ok(prompt_bundles::table
        .find(id)
        .filter(prompt_bundles::tenant_id.is_null().or(prompt_bundles::tenant_id.eq(tenant)))
        .select(BundleRow::as_select())
        .first(tx.conn())
        .await
        .optional()?)
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

/// Puts a new version of the tenant's bundle into production; what was there is archived.
///
/// # Errors
/// `CONFLICT` when another was published at the same moment.
pub async fn publish_new(
    tx: &mut Tx<Tenant>,
    name: &str,
    sections: &[NewSection],
    now: DateTime<Utc>,
) -> Outcome<BundleRow> {
    let owner = Some(tx.tenant());
    publish(tx.conn(), owner, name, sections, now).await
}

/// As [`publish_new`], for the global base.
///
/// # Errors
/// As [`publish_new`].
pub async fn publish_base(
    tx: &mut Tx<Admin>,
    name: &str,
    sections: &[NewSection],
    now: DateTime<Utc>,
) -> Outcome<BundleRow> {
    publish(tx.conn(), None, name, sections, now).await
}

async fn publish(
    connection: &mut AsyncPgConnection,
    owner: Option<TenantId>,
    name: &str,
    sections: &[NewSection],
    now: DateTime<Utc>,
) -> Outcome<BundleRow> {
    let own = prompt_bundles::tenant_id.is_not_distinct_from(owner);
    diesel::update(prompt_bundles::table.filter(own).filter(prompt_bundles::status.eq(PromptStatus::Production)))
        .set(prompt_bundles::status.eq(PromptStatus::Archived))
        .execute(connection)
        .await?;
    let newest: Option<i32> =
        prompt_bundles::table.filter(own).select(diesel::dsl::max(prompt_bundles::version)).first(connection).await?;
    let bundle = diesel::insert_into(prompt_bundles::table)
        .values(NewBundle {
            tenant_id: owner,
            name,
            status: PromptStatus::Production,
            version: newest.unwrap_or(0) + 1,
            created_at: now,
            published_at: Some(now),
        })
        .returning(BundleRow::as_returning())
        .get_result(connection)
        .await?;
    let forms: Vec<_> = sections
        .iter()
        .map(|section| SectionForm {
            tenant_id: owner,
            bundle_id: bundle.id,
            key: &section.key,
            content: &section.content,
            position: section.position,
            channels: section.channels.as_ref().map(|list| serde_json::json!(list)),
            is_locked: section.is_locked,
        })
        .collect();
    diesel::insert_into(prompt_sections::table).values(forms).execute(connection).await?;
    Ok(bundle)
}
