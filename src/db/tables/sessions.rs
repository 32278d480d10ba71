//! `sessions`: a sign-in, and the one refresh token that is good for it now.

use chrono::{DateTime, Utc};
use diesel::{
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::{BigInt, Bool, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::{
    db::{
        kept::Keep,
        schema::sessions,
        tx::{Identity, Tx, Viewpoint},
    },
    kernel::{
        failure::Outcome,
        ids::{TenantId, UserId},
    },
};

/// Sessions of a person that stand, at the most.
const MOST: i64 = 100;
/// And beside the newest.
const OTHERS: i64 = MOST - 1;

/// A sign-in.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = sessions)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct SessionRow {
    pub id: Uuid,
    pub user_id: UserId,
    pub tenant_id: Option<TenantId>,
    pub created_at: DateTime<Utc>,
    pub rotated_at: Option<DateTime<Utc>>,
    pub expires_at: DateTime<Utc>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub agent: Option<String>,
}

/// A sign-in to be.
#[derive(Insertable)]
#[diesel(table_name = sessions, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "as the row")]
pub struct NewSession {
    pub id: Uuid,
    pub user_id: UserId,
    pub tenant_id: Option<TenantId>,
    pub refresh_hash: Vec<u8>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub agent: Option<String>,
}

/// Adds one.
///
/// # Errors
/// Database faults.
pub async fn insert(tx: &mut Tx<Identity>, session: &NewSession) -> Outcome<()> {
    diesel::insert_into(sessions::table).values(session).execute(tx.conn()).await?;
    Ok(())
}

/// Spends a session's refresh token and puts the next in its place, in one statement: of two that come at once, one wins.
///
/// # Errors
/// Database faults.
pub async fn rotate(
    tx: &mut Tx<Identity>,
    id: Uuid,
    spent: &[u8],
    next: &[u8],
    now: DateTime<Utc>,
) -> Outcome<Option<SessionRow>> {
    Ok(diesel::update(
        sessions::table
            .find(id)
            .filter(sessions::refresh_hash.eq(spent))
            .filter(sessions::revoked_at.is_null())
            .filter(sessions::expires_at.gt(now)),
    )
    .set((sessions::refresh_hash.eq(next), sessions::previous_hash.eq(spent), sessions::rotated_at.eq(now)))
    .returning(SessionRow::as_returning())
    .kept()
    .get_result(tx.altering())
    .await
    .optional()?)
}

/// When a session's token was spent, if it is the one before the one that is good now.
///
/// # Errors
/// Database faults.
pub async fn spent_at(tx: &mut Tx<Identity>, id: Uuid, spent: &[u8]) -> Outcome<Option<DateTime<Utc>>> {
    let at: Option<Option<DateTime<Utc>>> = sessions::table
        .find(id)
        .filter(sessions::previous_hash.eq(spent))
        .filter(sessions::revoked_at.is_null())
        .select(sessions::rotated_at)
        .first(tx.conn())
        .await
        .optional()?;
    Ok(at.flatten())
}

/// Whether a session's time has run out, and this is the token that was good for it to its end.
///
/// # Errors
/// Database faults.
pub async fn ran_out(tx: &mut Tx<Identity>, id: Uuid, unspent: &[u8], now: DateTime<Utc>) -> Outcome<bool> {
    let over = sessions::table.find(id).filter(sessions::refresh_hash.eq(unspent)).filter(sessions::expires_at.le(now));
    Ok(diesel::select(diesel::dsl::exists(over)).get_result(tx.conn()).await?)
}

/// A person's sessions that still stand, the newest first.
///
/// # Errors
/// Database faults.
pub async fn standing(tx: &mut Tx<Identity>, user: UserId, now: DateTime<Utc>) -> Outcome<Vec<SessionRow>> {
    let standing = sessions::table
        .filter(sessions::user_id.eq(user))
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::expires_at.gt(now));
    Ok(standing.order(sessions::created_at.desc()).limit(MOST).select(SessionRow::as_select()).load(tx.conn()).await?)
}

/// Ends one session; nothing comes back for one that has ended.
///
/// # Errors
/// Database faults.
pub async fn revoke(tx: &mut Tx<Identity>, id: Uuid, now: DateTime<Utc>) -> Outcome<Option<SessionRow>> {
    Ok(diesel::update(sessions::table.find(id).filter(sessions::revoked_at.is_null()))
        .set(sessions::revoked_at.eq(now))
        .returning(SessionRow::as_returning())
        .get_result(tx.altering())
        .await
        .optional()?)
}

/// Ends a person's oldest sessions where more than may stand, with the `newest`, which has just begun; says how many. Of those that
/// somebody else is changing it waits for none, since they may wait for us: the next sign-in ends them.
///
/// # Errors
/// Database faults.
pub async fn end_oldest(tx: &mut Tx<Identity>, user: UserId, newest: Uuid, now: DateTime<Utc>) -> Outcome<usize> {
    Ok(Surplus { user, newest, now }.execute(tx.altering()).await?)
}

/// An update of what a locking query finds, which diesel has no words for.
#[derive(QueryId)]
struct Surplus {
    user: UserId,
    newest: Uuid,
    now: DateTime<Utc>,
}

impl QueryFragment<Pg> for Surplus {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("UPDATE sessions SET revoked_at = ");
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(
            " WHERE id IN (SELECT id FROM sessions WHERE revoked_at IS NULL AND id IN \
             (SELECT id FROM sessions WHERE user_id = ",
        );
        out.push_bind_param::<BigInt, _>(&self.user)?;
        out.push_sql(" AND id <> ");
        out.push_bind_param::<SqlUuid, _>(&self.newest)?;
        out.push_sql(" AND revoked_at IS NULL AND expires_at > ");
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(" ORDER BY created_at DESC, id DESC OFFSET ");
        out.push_bind_param::<BigInt, _>(&OTHERS)?;
        out.push_sql(") FOR NO KEY UPDATE SKIP LOCKED)");
        Ok(())
    }
}

/// Ends a person's sessions but the one that is kept; says how many. Those that ran out need no end: there may be very many.
///
/// # Errors
/// Database faults.
pub async fn revoke_others(
    tx: &mut Tx<Identity>,
    user: UserId,
    kept: Option<Uuid>,
    now: DateTime<Utc>,
) -> Outcome<usize> {
    let open = sessions::table
        .filter(sessions::user_id.eq(user))
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::expires_at.gt(now));
    let set = sessions::revoked_at.eq(now);
    Ok(match kept {
        Some(kept) => diesel::update(open.filter(sessions::id.ne(kept))).set(set).execute(tx.altering()).await?,
        None => diesel::update(open).set(set).execute(tx.altering()).await?,
    })
}

/// Ends all sessions of a person that stand; says how many. From inside a tenant: sessions in it.
///
/// # Errors
/// Database faults.
pub async fn revoke_all<V: Viewpoint>(tx: &mut Tx<V>, user: UserId, now: DateTime<Utc>) -> Outcome<usize> {
    let from = tx.viewpoint();
    let open = sessions::table
        .filter(sessions::tenant_id.eq(from).or(from.is_none().into_sql::<Bool>()))
        .filter(sessions::user_id.eq(user))
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::expires_at.gt(now));
    Ok(diesel::update(open).set(sessions::revoked_at.eq(now)).execute(tx.altering()).await?)
}
