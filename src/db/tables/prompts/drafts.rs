//! How bundles are written: drafted, published, put away. The database refuses to change a version that was published.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::{
    db::{
        schema::{prompt_bundles, prompt_sections},
        tables::prompts::BundleRow,
        tx::{Tx, Viewpoint},
    },
    kernel::{
        failure::Outcome,
        ids::{BundleId, TenantId},
        vocabulary::{Channel, PromptStatus},
    },
};

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
#[diesel(table_name = prompt_bundles, treat_none_as_default_value = false)]
struct NewBundle<'a> {
    tenant_id: Option<TenantId>,
    name: &'a str,
    status: PromptStatus,
    version: i32,
    created_at: DateTime<Utc>,
}

#[derive(Insertable)]
#[diesel(table_name = prompt_sections, treat_none_as_default_value = false)]
struct SectionForm<'a> {
    tenant_id: Option<TenantId>,
    bundle_id: BundleId,
    key: &'a str,
    content: &'a str,
    position: i32,
    channels: Option<serde_json::Value>,
    is_locked: bool,
}

/// One of the tenant's own bundles, or of the base's from the platform, locked until the transaction ends.
///
/// # Errors
/// Database faults.
pub async fn lock<V: Viewpoint>(tx: &mut Tx<V>, id: BundleId) -> Outcome<Option<BundleRow>> {
    let owner = tx.viewpoint();
    Ok(prompt_bundles::table
        .find(id)
        .filter(prompt_bundles::tenant_id.is_not_distinct_from(owner))
        .select(BundleRow::as_select())
        .for_update()
        .first(tx.conn())
        .await
        .optional()?)
}

/// Adds a draft, the owner's newest version.
///
/// # Errors
/// `CONFLICT` when another version was made at the same moment.
pub async fn insert_draft<V: Viewpoint>(
    tx: &mut Tx<V>,
    name: &str,
    sections: &[NewSection],
    now: DateTime<Utc>,
) -> Outcome<BundleRow> {
    let owner = tx.viewpoint();
    let newest: Option<i32> = prompt_bundles::table
        .filter(prompt_bundles::tenant_id.is_not_distinct_from(owner))
        .select(diesel::dsl::max(prompt_bundles::version))
        .first(tx.conn())
        .await?;
    let draft = NewBundle {
        tenant_id: owner,
        name,
        status: PromptStatus::Draft,
        version: newest.unwrap_or(0) + 1,
        created_at: now,
    };
    let bundle: BundleRow = diesel::insert_into(prompt_bundles::table)
        .values(draft)
        .returning(BundleRow::as_returning())
        .get_result(tx.conn())
        .await?;
    insert_sections(tx.conn(), owner, bundle.id, sections).await?;
    Ok(bundle)
}

/// Writes a draft anew. It must be locked, and a draft: the database refuses to touch the sections of anything else.
///
/// # Errors
/// Database faults.
pub async fn rewrite_draft<V: Viewpoint>(
    tx: &mut Tx<V>,
    id: BundleId,
    name: &str,
    sections: &[NewSection],
) -> Outcome<BundleRow> {
    let owner = tx.viewpoint();
    let own = prompt_bundles::table.find(id).filter(prompt_bundles::tenant_id.is_not_distinct_from(owner));
    let row = diesel::update(own)
        .set(prompt_bundles::name.eq(name))
        .returning(BundleRow::as_returning())
        .get_result(tx.conn())
        .await?;
    let old = prompt_sections::table
        .filter(prompt_sections::bundle_id.eq(id))
        .filter(prompt_sections::tenant_id.is_not_distinct_from(owner));
    diesel::delete(old).execute(tx.conn()).await?;
    insert_sections(tx.conn(), owner, id, sections).await?;
    Ok(row)
}

async fn insert_sections(
    connection: &mut AsyncPgConnection,
    owner: Option<TenantId>,
    bundle_id: BundleId,
    sections: &[NewSection],
) -> Outcome<()> {
    let forms: Vec<_> = sections
        .iter()
        .map(|section| SectionForm {
            tenant_id: owner,
            bundle_id,
            key: &section.key,
            content: &section.content,
            position: section.position,
            channels: section.channels.as_ref().map(|list| serde_json::json!(list)),
            is_locked: section.is_locked,
        })
        .collect();
    diesel::insert_into(prompt_sections::table).values(forms).execute(connection).await?;
    Ok(())
}

/// Puts a bundle into production; what was there is archived.
///
/// # Errors
/// `CONFLICT` when another was published at the same moment: the index that allows one per owner decides.
pub async fn publish<V: Viewpoint>(tx: &mut Tx<V>, id: BundleId, now: DateTime<Utc>) -> Outcome<BundleRow> {
    let owner = tx.viewpoint();
    let own = || prompt_bundles::table.filter(prompt_bundles::tenant_id.is_not_distinct_from(owner));
    diesel::update(own().filter(prompt_bundles::status.eq(PromptStatus::Production)))
        .set(prompt_bundles::status.eq(PromptStatus::Archived))
        .execute(tx.conn())
        .await?;
    Ok(diesel::update(own().filter(prompt_bundles::id.eq(id)))
        .set((prompt_bundles::status.eq(PromptStatus::Production), prompt_bundles::published_at.eq(now)))
        .returning(BundleRow::as_returning())
        .get_result(tx.conn())
        .await?)
}

/// Puts a bundle away.
///
/// # Errors
/// Database faults.
pub async fn archive<V: Viewpoint>(tx: &mut Tx<V>, id: BundleId) -> Outcome<BundleRow> {
    let owner = tx.viewpoint();
    let own = prompt_bundles::table.find(id).filter(prompt_bundles::tenant_id.is_not_distinct_from(owner));
    Ok(diesel::update(own)
        .set(prompt_bundles::status.eq(PromptStatus::Archived))
        .returning(BundleRow::as_returning())
        .get_result(tx.conn())
        .await?)
}
