//! `leads`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::{
    db::{
        schema::leads,
        tables::{contains, differs, page_of},
        tx::{Tenant, Tx},
    },
    kernel::{
        failure::Outcome,
        ids::{LeadId, TenantId},
        page::{OrderBy, Page, Position, Slice, SortKey},
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
    /// What lists by name are sorted by.
    pub sort_name: String,
}

impl LeadRow {
    /// Its place in a list.
    #[must_use]
    pub fn position(&self, by: OrderBy) -> Position {
        let key = match by {
            OrderBy::CreatedAt => SortKey::CreatedAt(self.created_at),
            OrderBy::UpdatedAt => SortKey::UpdatedAt(self.updated_at),
            OrderBy::Name => SortKey::Name(self.sort_name.clone()),
        };
        Position { key, id: self.id.0 }
    }
}

/// A lead to be.
#[derive(Clone, Insertable)]
#[diesel(table_name = leads, treat_none_as_default_value = false)]
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

/// One lead, which can't be removed until the transaction ends.
///
/// # Errors
/// Database faults.
pub async fn hold(tx: &mut Tx<Tenant>, id: LeadId) -> Outcome<Option<LeadRow>> {
    let tenant = tx.tenant();
    Ok(leads::table
        .find(id)
        .filter(leads::tenant_id.eq(tenant))
        .select(LeadRow::as_select())
        .for_key_share()
        .first(tx.conn())
        .await
        .optional()?)
}

/// The lead with this number.
///
/// # Errors
/// Database faults.
pub async fn by_phone(tx: &mut Tx<Tenant>, phone: &str) -> Outcome<Option<LeadRow>> {
    let tenant = tx.tenant();
    Ok(leads::table
        .filter(leads::tenant_id.eq(tenant))
        .filter(leads::phone.eq(phone))
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

/// Which leads to list.
#[derive(Debug, Default, Clone)]
pub struct LeadFilter {
    /// Only those whose name, address, number or notes contain this.
    pub search: Option<String>,
    /// Only those with one of these.
    pub status: Option<Vec<LeadStatus>>,
    /// Only those from one of these.
    pub source: Option<Vec<Channel>>,
    /// Only those noted after this.
    pub created_after: Option<DateTime<Utc>>,
    /// Only those noted before this.
    pub created_before: Option<DateTime<Utc>>,
}

fn filtered(tenant: TenantId, filter: &LeadFilter) -> leads::BoxedQuery<'static, diesel::pg::Pg> {
    let mut query = leads::table.filter(leads::tenant_id.eq(tenant)).into_boxed();
    if let Some(search) = &filter.search {
        let pattern = contains(search);
        query = query.filter(
            leads::name
                .ilike(pattern.clone())
                .or(leads::email.ilike(pattern.clone()))
                .or(leads::phone.ilike(pattern.clone()))
                .or(leads::notes.ilike(pattern)),
        );
    }
    if let Some(status) = filter.status.clone() {
        query = query.filter(leads::status.eq_any(status));
    }
    if let Some(source) = filter.source.clone() {
        query = query.filter(leads::source.eq_any(source));
    }
    if let Some(after) = filter.created_after {
        query = query.filter(leads::created_at.gt(after));
    }
    if let Some(before) = filter.created_before {
        query = query.filter(leads::created_at.lt(before));
    }
    query
}

/// A page of leads, in the page's order.
///
/// # Errors
/// Database faults.
pub async fn page(tx: &mut Tx<Tenant>, filter: &LeadFilter, page: &Page) -> Outcome<Slice<LeadRow>> {
    let query = filtered(tx.tenant(), filter);
    let query = match page.order.by {
        OrderBy::CreatedAt => page_of!(query, page, leads::created_at, leads::id),
        OrderBy::UpdatedAt => page_of!(query, page, leads::updated_at, leads::id),
        OrderBy::Name => page_of!(query, page, leads::sort_name, leads::id, name),
    };
    Ok(page.cut(query.select(LeadRow::as_select()).load(tx.conn()).await?))
}

/// How many leads there are.
///
/// # Errors
/// Database faults.
pub async fn count(tx: &mut Tx<Tenant>, filter: &LeadFilter) -> Outcome<i64> {
    Ok(filtered(tx.tenant(), filter).count().get_result(tx.conn()).await?)
}

/// What can change about one. The outer `None` leaves a column as it is, an inner one clears it.
#[derive(AsChangeset)]
#[diesel(table_name = leads)]
#[expect(missing_docs, reason = "as the row")]
pub struct LeadChanges {
    pub name: Option<Option<String>>,
    pub email: Option<Option<String>>,
    pub phone: Option<Option<String>>,
    pub status: Option<LeadStatus>,
    pub notes: Option<Option<String>>,
    pub updated_at: DateTime<Utc>,
}

impl LeadChanges {
    /// Whether it changes anything of `row`. When it was changed counts for nothing.
    #[must_use]
    pub fn is_news(&self, row: &LeadRow) -> bool {
        differs(self.name.as_ref(), &row.name)
            || differs(self.email.as_ref(), &row.email)
            || differs(self.phone.as_ref(), &row.phone)
            || differs(self.status.as_ref(), &row.status)
            || differs(self.notes.as_ref(), &row.notes)
    }
}

/// Changes one.
///
/// # Errors
/// Database faults.
pub async fn update(tx: &mut Tx<Tenant>, id: LeadId, changes: &LeadChanges) -> Outcome<Option<LeadRow>> {
    let tenant = tx.tenant();
    Ok(diesel::update(leads::table.find(id).filter(leads::tenant_id.eq(tenant)))
        .set(changes)
        .returning(LeadRow::as_returning())
        .get_result(tx.conn())
        .await
        .optional()?)
}

/// Removes one. Its conversations stay, and are no longer anybody's.
///
/// # Errors
/// Database faults.
pub async fn delete(tx: &mut Tx<Tenant>, id: LeadId) -> Outcome<bool> {
    let tenant = tx.tenant();
    let gone = diesel::delete(leads::table.find(id).filter(leads::tenant_id.eq(tenant))).execute(tx.conn()).await?;
    Ok(gone == 1)
}

/// Adds one, unless the tenant has a lead with its number or address already: then nothing comes back.
///
/// # Errors
/// Database faults.
pub async fn insert_if_new(tx: &mut Tx<Tenant>, lead: &NewLead) -> Outcome<Option<LeadRow>> {
    Ok(diesel::insert_into(leads::table)
        .values(lead)
        .on_conflict_do_nothing()
        .returning(LeadRow::as_returning())
        .get_result(tx.conn())
        .await
        .optional()?)
}

/// The leads with this number, this address or this id, locked until the transaction ends; three at the most. Addresses are in lower
/// case, and compared as they are: behind a policy PostgreSQL may not look `lower(email)` up in any index, and would read all
/// leads of the tenant.
///
/// # Errors
/// Database faults.
pub async fn lock_known(
    tx: &mut Tx<Tenant>,
    phone: Option<&str>,
    email: Option<&str>,
    id: Option<LeadId>,
) -> Outcome<Vec<LeadRow>> {
    let tenant = tx.tenant();
    Ok(leads::table
        .filter(leads::tenant_id.eq(tenant))
        .filter(leads::phone.eq(phone).or(leads::email.eq(email)).or(leads::id.nullable().eq(id)))
        .order(leads::id.asc())
        .select(LeadRow::as_select())
        .for_update()
        .load(tx.conn())
        .await?)
}
