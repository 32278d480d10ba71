//! `users`.

use chrono::{DateTime, Utc};
use diesel::{dsl::exists, prelude::*};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::{
    db::{
        kept::Keep,
        schema::{impersonations, sessions, tenants, users},
        tables::{contains, page_of, sessions::SessionRow, tenants::TenantStanding},
        tx::{Admin, Identity, Tenant, Tx, Viewpoint},
    },
    kernel::{
        failure::Outcome,
        ids::{TenantId, UserId},
        page::{Page, Slice},
        vocabulary::Role,
    },
};

diesel::define_sql_function! {
    /// PostgreSQL's `lower`.
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}

/// A person who signs in. Holds no password hash: only [`credentials`] reads that.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = users)]
#[expect(missing_docs, reason = "the columns are described in the migration and in the graph")]
pub struct UserRow {
    pub id: UserId,
    pub tenant_id: Option<TenantId>,
    pub email: String,
    pub name: Option<String>,
    pub role: Role,
    pub is_active: bool,
    pub created_at: DateTime<Utc>,
    pub last_login_at: Option<DateTime<Utc>>,
}

/// A person to be.
#[derive(Insertable)]
#[diesel(table_name = users, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "as the row")]
pub struct NewUser {
    pub tenant_id: Option<TenantId>,
    pub email: String,
    pub password_hash: String,
    pub name: Option<String>,
    pub role: Role,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// The person of a session, their tenant, and the session itself.
///
/// # Errors
/// Database faults.
pub async fn with_session(
    tx: &mut Tx<Identity>,
    user: UserId,
    session: Uuid,
) -> Outcome<Option<(UserRow, Option<TenantStanding>, SessionRow)>> {
    Ok(users::table
        .inner_join(sessions::table)
        .left_join(tenants::table.on(tenants::id.nullable().eq(users::tenant_id)))
        .filter(users::id.eq(user))
        .filter(sessions::id.eq(session))
        .select((UserRow::as_select(), Option::<TenantStanding>::as_select(), SessionRow::as_select()))
        .first(tx.conn())
        .await
        .optional()?)
}

/// The person with this address, and the hash of their password.
///
/// # Errors
/// Database faults.
pub async fn credentials(tx: &mut Tx<Identity>, email: &str) -> Outcome<Option<(UserRow, String)>> {
    Ok(users::table
        .filter(lower(users::email).eq(email.to_lowercase()))
        .select((UserRow::as_select(), users::password_hash))
        .first(tx.conn())
        .await
        .optional()?)
}

/// By id, for a session that is refreshed.
///
/// # Errors
/// Database faults.
pub async fn identified(tx: &mut Tx<Identity>, id: UserId) -> Outcome<Option<UserRow>> {
    Ok(users::table.find(id).select(UserRow::as_select()).first(tx.conn()).await.optional()?)
}

/// The hash of a person's password.
///
/// # Errors
/// Database faults.
pub async fn password_hash(tx: &mut Tx<Identity>, id: UserId) -> Outcome<Option<String>> {
    Ok(users::table.find(id).select(users::password_hash).first(tx.conn()).await.optional()?)
}

/// The same, and locks the row until the transaction ends. Not against those who only refer to it: an audit entry does, and whoever
/// ends a session writes one, so that each of the two would wait for the other.
///
/// # Errors
/// Database faults.
pub async fn lock_password_hash(tx: &mut Tx<Identity>, id: UserId) -> Outcome<Option<String>> {
    Ok(users::table.find(id).select(users::password_hash).for_no_key_update().first(tx.conn()).await.optional()?)
}

/// Sets a person's password.
///
/// # Errors
/// Database faults.
pub async fn set_password(tx: &mut Tx<Identity>, id: UserId, hash: &str) -> Outcome<()> {
    diesel::update(users::table.find(id)).set(users::password_hash.eq(hash)).execute(tx.altering()).await?;
    Ok(())
}

/// Notes that somebody signed in.
///
/// # Errors
/// Database faults.
pub async fn note_login(tx: &mut Tx<Identity>, id: UserId, at: DateTime<Utc>) -> Outcome<()> {
    diesel::update(users::table.find(id)).set(users::last_login_at.eq(at)).kept().execute(tx.altering()).await?;
    Ok(())
}

/// One person of the tenant.
///
/// # Errors
/// Database faults.
pub async fn find(tx: &mut Tx<Tenant>, id: UserId) -> Outcome<Option<UserRow>> {
    let tenant = tx.tenant();
    Ok(users::table
        .find(id)
        .filter(users::tenant_id.eq(tenant))
        .select(UserRow::as_select())
        .first(tx.conn())
        .await
        .optional()?)
}

/// Several people, for the loader. From inside a tenant: its own, people of no tenant who did something in it, and
/// whoever looked into it by a lease, whatever has become of them since.
///
/// # Errors
/// Database faults.
pub async fn find_many<V: Viewpoint>(tx: &mut Tx<V>, ids: &[UserId]) -> Outcome<Vec<UserRow>> {
    let mut query = users::table.filter(users::id.eq_any(ids)).into_boxed();
    if let Some(tenant) = tx.viewpoint() {
        let looked_in = impersonations::table
            .filter(impersonations::actor_id.eq(users::id))
            .filter(impersonations::tenant_id.eq(tenant))
            .select(impersonations::id);
        let own = users::tenant_id.eq(tenant).or(users::tenant_id.is_null());
        query = query.filter(own.is_not_distinct_from(true).or(exists(looked_in)));
    }
    Ok(query.select(UserRow::as_select()).load(tx.conn()).await?)
}

/// Any person, for administrators.
///
/// # Errors
/// Database faults.
pub async fn find_any(tx: &mut Tx<Admin>, id: UserId) -> Outcome<Option<UserRow>> {
    Ok(users::table.find(id).select(UserRow::as_select()).first(tx.conn()).await.optional()?)
}

/// Any person, for administrators, locked until the transaction ends, as by [`lock_password_hash`].
///
/// # Errors
/// Database faults.
pub async fn lock_any(tx: &mut Tx<Admin>, id: UserId) -> Outcome<Option<UserRow>> {
    Ok(users::table.find(id).select(UserRow::as_select()).for_no_key_update().first(tx.conn()).await.optional()?)
}

/// Which people to list.
#[derive(Debug, Default)]
pub struct UserFilter {
    /// Only those whose name or address contains this.
    pub search: Option<String>,
    /// Only those with this role.
    pub role: Option<Role>,
    /// Only active or only deactivated ones.
    pub is_active: Option<bool>,
}

/// From inside a tenant: its people. From the platform: those who belong to no tenant.
fn filtered(from: Option<TenantId>, filter: &UserFilter) -> users::BoxedQuery<'static, diesel::pg::Pg> {
    let query = users::table.into_boxed();
    // Two queries: what is said of both at once (IS NOT DISTINCT FROM) is looked up in no index.
    let mut query = match from {
        Some(tenant) => query.filter(users::tenant_id.eq(tenant)),
        None => query.filter(users::tenant_id.is_null()),
    };
    if let Some(search) = &filter.search {
        let pattern = contains(search);
        query = query.filter(users::email.nullable().ilike(pattern.clone()).or(users::name.ilike(pattern)));
    }
    if let Some(role) = filter.role {
        query = query.filter(users::role.eq(role));
    }
    if let Some(is_active) = filter.is_active {
        query = query.filter(users::is_active.eq(is_active));
    }
    query
}

/// A page of people, newest first.
///
/// # Errors
/// Database faults.
pub async fn page<V: Viewpoint>(tx: &mut Tx<V>, filter: &UserFilter, page: &Page) -> Outcome<Slice<UserRow>> {
    let rows = page_of!(filtered(tx.viewpoint(), filter), page, users::created_at, users::id)
        .select(UserRow::as_select())
        .load(tx.conn())
        .await?;
    Ok(page.cut(rows))
}

/// How many people there are.
///
/// # Errors
/// Database faults.
pub async fn count<V: Viewpoint>(tx: &mut Tx<V>, filter: &UserFilter) -> Outcome<i64> {
    Ok(filtered(tx.viewpoint(), filter).count().get_result(tx.conn()).await?)
}

/// Adds a person.
///
/// # Errors
/// `CONFLICT` on a taken address.
pub async fn insert<V: Viewpoint>(tx: &mut Tx<V>, user: &NewUser) -> Outcome<UserRow> {
    Ok(diesel::insert_into(users::table).values(user).returning(UserRow::as_returning()).get_result(tx.conn()).await?)
}

/// What can change about a person. The outer `None` leaves a column as it is, an inner one clears it.
#[derive(AsChangeset, Default)]
#[diesel(table_name = users)]
#[expect(missing_docs, reason = "as the row")]
pub struct UserChanges {
    pub email: Option<String>,
    pub name: Option<Option<String>>,
    pub role: Option<Role>,
    pub is_active: Option<bool>,
    pub password_hash: Option<String>,
    pub updated_at: DateTime<Utc>,
}

/// Changes a person of the tenant, or one of no tenant from the platform.
///
/// # Errors
/// `CONFLICT` on a taken address.
pub async fn update<V: Viewpoint>(tx: &mut Tx<V>, id: UserId, changes: &UserChanges) -> Outcome<Option<UserRow>> {
    let from = tx.viewpoint();
    Ok(diesel::update(users::table.find(id).filter(users::tenant_id.is_not_distinct_from(from)))
        .set(changes)
        .returning(UserRow::as_returning())
        .get_result(tx.altering())
        .await
        .optional()?)
}

/// Puts a person into a tenant, or into none. The tenant is part of a key, so that whoever only refers to the person is waited for too:
/// whatever else the transaction has to wait for comes before this.
///
/// # Errors
/// Database faults.
pub async fn assign(
    tx: &mut Tx<Admin>,
    id: UserId,
    tenant: Option<TenantId>,
    now: DateTime<Utc>,
) -> Outcome<Option<UserRow>> {
    Ok(diesel::update(users::table.find(id))
        .set((users::tenant_id.eq(tenant), users::updated_at.eq(now)))
        .returning(UserRow::as_returning())
        .get_result(tx.altering())
        .await
        .optional()?)
}

/// Locks the active administrators of a tenant, or of the platform, as by [`lock_password_hash`], so that two of them can't switch
/// each other off at once, and lists them.
///
/// # Errors
/// Database faults.
pub async fn lock_active_administrators<V: Viewpoint>(tx: &mut Tx<V>, of: Option<TenantId>) -> Outcome<Vec<UserId>> {
    let active = users::table.filter(users::is_active.eq(true)).select(users::id);
    Ok(if let Some(tenant) = of {
        let own = active.filter(users::tenant_id.eq(tenant)).filter(users::role.eq(Role::TenantAdmin));
        own.for_no_key_update().load(tx.conn()).await?
    } else {
        let own = active.filter(users::tenant_id.is_null()).filter(users::role.eq(Role::Admin));
        own.for_no_key_update().load(tx.conn()).await?
    })
}

/// Which of several tenants have an active administrator of their own.
///
/// # Errors
/// Database faults.
pub async fn administered<V: Viewpoint>(tx: &mut Tx<V>, tenants: &[TenantId]) -> Outcome<Vec<TenantId>> {
    let found: Vec<Option<TenantId>> = users::table
        .filter(users::tenant_id.eq_any(tenants))
        .filter(users::role.eq(Role::TenantAdmin))
        .filter(users::is_active.eq(true))
        .select(users::tenant_id)
        .distinct()
        .load(tx.conn())
        .await?;
    Ok(found.into_iter().flatten().collect())
}

/// Whether there is a global administrator who can sign in.
///
/// # Errors
/// Database faults.
pub async fn any_admin(tx: &mut Tx<Admin>) -> Outcome<bool> {
    Ok(diesel::select(exists(
        users::table.filter(users::role.eq(Role::Admin)).filter(users::is_active.eq(true)).select(users::id),
    ))
    .get_result(tx.conn())
    .await?)
}
