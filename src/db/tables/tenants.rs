//! `tenants`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::{
    db::{
        schema::tenants,
        tables::{contains, differs, page_of},
        tx::{Admin, Identity, Tenant, Tx},
    },
    kernel::{
        failure::Outcome,
        ids::TenantId,
        page::{Page, Slice},
    },
};

/// A business.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = tenants)]
#[expect(missing_docs, reason = "the columns are described in the migration and in the graph")]
pub struct TenantRow {
    pub id: TenantId,
    pub subdomain: String,
    pub name: String,
    pub is_active: bool,
    pub system_prompt: Option<String>,
    pub business_name: Option<String>,
    pub website_url: Option<String>,
    pub phone_number: Option<String>,
    pub contact_email: Option<String>,
    pub time_zone: Option<String>,
    pub allowed_origins: serde_json::Value,
    pub monthly_token_quota: Option<i32>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What of a business decides who comes in: no more, since it is read for every caller.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = tenants)]
#[expect(missing_docs, reason = "as the row")]
pub struct TenantStanding {
    pub id: TenantId,
    pub subdomain: String,
    pub is_active: bool,
    pub allowed_origins: serde_json::Value,
}

impl TenantStanding {
    /// Whether its chat may be opened from this origin.
    #[must_use]
    pub fn allows(&self, origin: &str) -> bool {
        holds(&self.allowed_origins, origin)
    }
}

impl TenantRow {
    /// Whether its chat may be opened from this origin.
    #[must_use]
    pub fn allows(&self, origin: &str) -> bool {
        holds(&self.allowed_origins, origin)
    }
}

fn holds(origins: &serde_json::Value, origin: &str) -> bool {
    origins.as_array().into_iter().flatten().any(|allowed| allowed == origin)
}

/// A business to be.
#[derive(Insertable)]
#[diesel(table_name = tenants, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "as the row")]
pub struct NewTenant {
    pub subdomain: String,
    pub name: String,
    pub is_active: bool,
    pub system_prompt: Option<String>,
    pub allowed_origins: serde_json::Value,
    pub monthly_token_quota: Option<i32>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What an administrator may change. The outer `None` leaves a column as it is, an inner one clears it.
#[derive(AsChangeset)]
#[diesel(table_name = tenants)]
#[expect(missing_docs, reason = "as the row")]
pub struct TenantChanges {
    pub subdomain: Option<String>,
    pub name: Option<String>,
    pub is_active: Option<bool>,
    pub system_prompt: Option<Option<String>>,
    pub allowed_origins: Option<serde_json::Value>,
    pub monthly_token_quota: Option<Option<i32>>,
    pub updated_at: DateTime<Utc>,
}

impl TenantChanges {
    /// Whether it changes anything of `row`. When it was changed counts for nothing.
    #[must_use]
    pub fn is_news(&self, row: &TenantRow) -> bool {
        differs(self.subdomain.as_ref(), &row.subdomain)
            || differs(self.name.as_ref(), &row.name)
            || differs(self.is_active.as_ref(), &row.is_active)
            || differs(self.system_prompt.as_ref(), &row.system_prompt)
            || differs(self.allowed_origins.as_ref(), &row.allowed_origins)
            || differs(self.monthly_token_quota.as_ref(), &row.monthly_token_quota)
    }
}

/// The transaction's own tenant.
///
/// # Errors
/// Database faults.
pub async fn own(tx: &Tx<Tenant>) -> Outcome<TenantRow> {
    let id = tx.tenant();
    Ok(tenants::table.find(id).select(TenantRow::as_select()).first(&mut tx.line()).await?)
}

/// What a tenant's administrators may change about it. The outer `None` leaves a column as it is, an inner one clears it.
#[derive(AsChangeset)]
#[diesel(table_name = tenants)]
#[expect(missing_docs, reason = "as the row")]
pub struct ProfileChanges {
    pub business_name: Option<Option<String>>,
    pub website_url: Option<Option<String>>,
    pub phone_number: Option<Option<String>>,
    pub contact_email: Option<Option<String>>,
    pub time_zone: Option<Option<String>>,
    pub updated_at: DateTime<Utc>,
}

impl ProfileChanges {
    /// Whether it changes anything of `row`. When it was changed counts for nothing.
    #[must_use]
    pub fn is_news(&self, row: &TenantRow) -> bool {
        differs(self.business_name.as_ref(), &row.business_name)
            || differs(self.website_url.as_ref(), &row.website_url)
            || differs(self.phone_number.as_ref(), &row.phone_number)
            || differs(self.contact_email.as_ref(), &row.contact_email)
            || differs(self.time_zone.as_ref(), &row.time_zone)
    }
}

/// Changes the transaction's own tenant.
///
/// # Errors
/// Database faults.
pub async fn update_own(tx: &mut Tx<Tenant>, changes: &ProfileChanges) -> Outcome<TenantRow> {
    let id = tx.tenant();
    Ok(diesel::update(tenants::table.find(id))
        .set(changes)
        .returning(TenantRow::as_returning())
        .get_result(tx.altering())
        .await?)
}

/// By id, to find out who somebody is.
///
/// # Errors
/// Database faults.
pub async fn by_id(tx: &mut Tx<Identity>, id: TenantId) -> Outcome<Option<TenantStanding>> {
    Ok(tenants::table.find(id).select(TenantStanding::as_select()).first(tx.conn()).await.optional()?)
}

/// By subdomain, to find out who somebody is.
///
/// # Errors
/// Database faults.
pub async fn by_subdomain(tx: &mut Tx<Identity>, subdomain: &str) -> Outcome<Option<TenantStanding>> {
    Ok(tenants::table
        .filter(tenants::subdomain.eq(subdomain))
        .select(TenantStanding::as_select())
        .first(tx.conn())
        .await
        .optional()?)
}

/// The origins that active tenants allow, each tenant's as its list.
///
/// # Errors
/// Database faults.
pub async fn allowed_origins(tx: &mut Tx<Identity>) -> Outcome<Vec<serde_json::Value>> {
    Ok(tenants::table
        .filter(tenants::is_active)
        .filter(tenants::allowed_origins.ne(serde_json::json!([])))
        .select(tenants::allowed_origins)
        .load(tx.conn())
        .await?)
}

/// Any tenant, for administrators.
///
/// # Errors
/// Database faults.
pub async fn find(tx: &mut Tx<Admin>, id: TenantId) -> Outcome<Option<TenantRow>> {
    Ok(tenants::table.find(id).select(TenantRow::as_select()).first(tx.conn()).await.optional()?)
}

/// Several tenants, for the loader.
///
/// # Errors
/// Database faults.
pub async fn find_many(tx: &mut Tx<Admin>, ids: &[TenantId]) -> Outcome<Vec<TenantRow>> {
    Ok(tenants::table.filter(tenants::id.eq_any(ids)).select(TenantRow::as_select()).load(tx.conn()).await?)
}

/// Up to `limit` tenants behind `behind`, in the order of their numbers.
///
/// # Errors
/// Database faults.
pub async fn behind(tx: &mut Tx<Admin>, behind: TenantId, limit: i64) -> Outcome<Vec<TenantRow>> {
    Ok(tenants::table
        .filter(tenants::id.gt(behind))
        .order(tenants::id.asc())
        .limit(limit)
        .select(TenantRow::as_select())
        .load(tx.conn())
        .await?)
}

/// Which tenants to list.
#[derive(Debug, Default)]
pub struct TenantFilter {
    /// Only those whose name or subdomain contains this.
    pub search: Option<String>,
    /// Only active or only deactivated ones.
    pub is_active: Option<bool>,
}

fn filtered(filter: &TenantFilter) -> tenants::BoxedQuery<'static, diesel::pg::Pg> {
    let mut query = tenants::table.into_boxed();
    if let Some(search) = &filter.search {
        let pattern = contains(search);
        query = query.filter(tenants::name.ilike(pattern.clone()).or(tenants::subdomain.ilike(pattern)));
    }
    if let Some(is_active) = filter.is_active {
        query = query.filter(tenants::is_active.eq(is_active));
    }
    query
}

/// A page of all tenants, newest first.
///
/// # Errors
/// Database faults.
pub async fn page(tx: &mut Tx<Admin>, filter: &TenantFilter, page: &Page) -> Outcome<Slice<TenantRow>> {
    let rows = page_of!(filtered(filter), page, tenants::created_at, tenants::id)
        .select(TenantRow::as_select())
        .load(tx.conn())
        .await?;
    Ok(page.cut(rows))
}

/// How many tenants there are.
///
/// # Errors
/// Database faults.
pub async fn count(tx: &mut Tx<Admin>, filter: &TenantFilter) -> Outcome<i64> {
    Ok(filtered(filter).count().get_result(tx.conn()).await?)
}

/// Adds one.
///
/// # Errors
/// `CONFLICT` on a taken subdomain.
pub async fn insert(tx: &mut Tx<Admin>, tenant: &NewTenant) -> Outcome<TenantRow> {
    Ok(diesel::insert_into(tenants::table)
        .values(tenant)
        .returning(TenantRow::as_returning())
        .get_result(tx.conn())
        .await?)
}

/// Changes one.
///
/// # Errors
/// `CONFLICT` on a taken subdomain.
pub async fn update(tx: &mut Tx<Admin>, id: TenantId, changes: &TenantChanges) -> Outcome<Option<TenantRow>> {
    Ok(diesel::update(tenants::table.find(id))
        .set(changes)
        .returning(TenantRow::as_returning())
        .get_result(tx.altering())
        .await
        .optional()?)
}
