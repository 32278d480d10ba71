//! `jobs`: work to be done after the transaction that caused it. Whoever takes a job holds it by a lease, and must show its
//! token to end it: so a job ends once, whoever thinks to hold it.

use chrono::{DateTime, Utc};
use diesel::{
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Array, BigInt, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::{
    db::{
        kept::Keep,
        schema::{jobs, webhook_deliveries},
        tx::{Tenant, Tx, Worker},
    },
    kernel::{
        failure::Outcome,
        ids::{DeliveryId, TenantId},
        vocabulary::{DeliveryStatus, JobState},
    },
};

/// A job to be.
#[derive(Insertable)]
#[diesel(table_name = jobs, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "as the row")]
pub struct NewJob<'a> {
    pub tenant_id: TenantId,
    pub kind: &'a str,
    pub lane: Option<String>,
    pub payload: serde_json::Value,
    pub state: JobState,
    pub run_at: DateTime<Utc>,
    pub delivery_id: Option<DeliveryId>,
    pub traceparent: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A job that was taken.
#[derive(Debug, Clone, Queryable)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct JobRow {
    pub id: i64,
    pub tenant_id: TenantId,
    pub payload: serde_json::Value,
    /// Tries, this one included.
    pub attempts: i32,
    pub delivery_id: Option<DeliveryId>,
    pub traceparent: Option<String>,
}

/// A lease on a job.
#[derive(Debug, Clone, Copy)]
pub struct Lease {
    /// What shows that it is held.
    pub token: Uuid,
    /// When it ends, unless it is renewed.
    pub until: DateTime<Utc>,
}

/// Puts a job in line. A delivery's second one takes the place of the first, and is due at once.
///
/// # Errors
/// Database faults.
pub async fn put(tx: &mut Tx<Tenant>, job: &NewJob<'_>) -> Outcome<()> {
    diesel::insert_into(jobs::table)
        .values(job)
        .on_conflict((jobs::tenant_id, jobs::delivery_id))
        .do_update()
        .set((
            jobs::state.eq(JobState::Ready),
            jobs::attempts.eq(0),
            jobs::run_at.eq(job.run_at),
            jobs::lease_token.eq(None::<Uuid>),
            jobs::lease_expires_at.eq(None::<DateTime<Utc>>),
            jobs::last_error.eq(None::<String>),
            jobs::traceparent.eq(&job.traceparent),
            jobs::updated_at.eq(job.updated_at),
        ))
        .kept()
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Makes the tenant's jobs of a kind due that are put off until later. Gives how many.
///
/// # Errors
/// Database faults.
pub async fn hasten(tx: &mut Tx<Tenant>, kind: &str, now: DateTime<Utc>) -> Outcome<usize> {
    let tenant = tx.tenant();
    let put_off = jobs::table
        .filter(jobs::tenant_id.eq(tenant))
        .filter(jobs::kind.eq(kind))
        .filter(jobs::state.eq(JobState::Ready))
        .filter(jobs::run_at.gt(now));
    Ok(diesel::update(put_off).set((jobs::run_at.eq(now), jobs::updated_at.eq(now))).execute(tx.conn()).await?)
}

/// Whether one of the tenant's jobs in a lane is yet to be begun, or to be tried again.
///
/// # Errors
/// Database faults.
pub async fn is_waiting(tx: &mut Tx<Tenant>, lane: &str) -> Outcome<bool> {
    let tenant = tx.tenant();
    let waiting = jobs::table
        .filter(jobs::tenant_id.eq(tenant))
        .filter(jobs::lane.eq(lane))
        .filter(jobs::state.eq(JobState::Ready));
    Ok(diesel::select(diesel::dsl::exists(waiting)).get_result(tx.conn()).await?)
}

/// Which jobs to take.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Answers, which take as long as their models, or all else.
    pub answers: bool,
    /// At the most.
    pub most: i64,
    /// Of one tenant at the most, what it has in hand already included.
    pub each: i64,
    /// What tenants have in hand.
    pub in_hand: Vec<(TenantId, i64)>,
}

/// Takes jobs that are due: of every tenant one before a second of any; of a lane, only what is first in it.
///
/// # Errors
/// Database faults.
pub async fn take(tx: &mut Tx<Worker>, wish: &Wish, now: DateTime<Utc>, lease: Lease) -> Outcome<Vec<JobRow>> {
    let (tenants, counts) = wish.in_hand.iter().copied().unzip();
    let take = Take { answers: wish.answers, tenants, counts, now, lease, most: wish.most, each: wish.each };
    Ok(take.load(tx.conn()).await?)
}

/// An update of what a lateral, locking query finds, which diesel has no words for. However long the line, its cost is bounded:
/// tenants are found by skipping from one to the next in the index, and of each so many jobs are looked at as `WINDOW` says.
struct Take {
    answers: bool,
    tenants: Vec<TenantId>,
    counts: Vec<i64>,
    now: DateTime<Utc>,
    lease: Lease,
    most: i64,
    each: i64,
}

/// Of one tenant's jobs that are due, so many are looked at for those that are first in their lanes. A tenant of whose customers
/// one has more than these in line waits for that one; nobody else does.
const WINDOW: i64 = 1_000;

impl QueryFragment<Pg> for Take {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // As words, not as a parameter: each of the two has an index of its own.
        let kind = if self.answers { "kind = 'answer'" } else { "kind <> 'answer'" };
        out.push_sql("UPDATE jobs SET state = 'RUNNING', attempts = attempts + 1, lease_token = ");
        out.push_bind_param::<SqlUuid, _>(&self.lease.token)?;
        out.push_sql(", lease_expires_at = ");
        out.push_bind_param::<Timestamptz, _>(&self.lease.until)?;
        out.push_sql(", updated_at = ");
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(
            " WHERE id IN (WITH RECURSIVE waiting (tenant_id) AS ((SELECT tenant_id FROM jobs WHERE state <> 'DEAD' \
             ORDER BY tenant_id LIMIT 1) UNION ALL SELECT (SELECT next.tenant_id FROM jobs AS next \
             WHERE next.state <> 'DEAD' AND next.tenant_id > waiting.tenant_id ORDER BY next.tenant_id LIMIT 1) \
             FROM waiting WHERE waiting.tenant_id IS NOT NULL), \
             due (tenant_id, room) AS (SELECT waiting.tenant_id, ",
        );
        out.push_bind_param::<BigInt, _>(&self.each)?;
        out.push_sql(" - COALESCE(held.count, 0) FROM waiting LEFT JOIN unnest(");
        out.push_bind_param::<Array<BigInt>, _>(&self.tenants)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.counts)?;
        out.push_sql(
            ") AS held (tenant_id, count) ON held.tenant_id = waiting.tenant_id WHERE waiting.tenant_id IS NOT NULL) \
             SELECT ready.id FROM due CROSS JOIN LATERAL (SELECT own.id, \
             row_number() OVER (ORDER BY own.run_at, own.id) AS nth FROM (SELECT one.id, one.run_at FROM jobs AS one \
             JOIN (SELECT id, run_at FROM jobs WHERE tenant_id = due.tenant_id AND state <> 'DEAD' AND ",
        );
        out.push_sql(kind);
        out.push_sql(" AND run_at <= ");
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(" AND (lease_expires_at IS NULL OR lease_expires_at < ");
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(") ORDER BY run_at, id LIMIT ");
        out.push_bind_param::<BigInt, _>(&WINDOW)?;
        // Asked again of the row that is locked: it may have been taken, and put back, since. The order is that of `near`, so that none
        // is looked at behind the last that there is room for.
        out.push_sql(") AS near ON near.id = one.id WHERE one.state <> 'DEAD' AND one.run_at <= ");
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(" AND (one.lease_expires_at IS NULL OR one.lease_expires_at < ");
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(
            ") AND NOT EXISTS (SELECT FROM jobs AS earlier \
             WHERE earlier.tenant_id = one.tenant_id AND earlier.lane = one.lane AND earlier.id < one.id \
             AND earlier.state <> 'DEAD') ORDER BY near.run_at, near.id LIMIT GREATEST(due.room, 0) \
             FOR UPDATE OF one SKIP LOCKED) AS own) AS ready ORDER BY ready.nth, due.tenant_id LIMIT ",
        );
        out.push_bind_param::<BigInt, _>(&self.most)?;
        out.push_sql(") RETURNING id, tenant_id, payload, attempts, delivery_id, traceparent");
        Ok(())
    }
}

impl QueryId for Take {
    type QueryId = ();
    // Its text is one of two.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Take {
    type SqlType = (BigInt, BigInt, Jsonb, Integer, Nullable<BigInt>, Nullable<Text>);
}

/// Renews a lease. `false` when the job is not ours any more.
///
/// # Errors
/// Database faults.
pub async fn renew(tx: &mut Tx<Worker>, id: i64, lease: Lease) -> Outcome<bool> {
    let renewed = diesel::update(jobs::table.find(id).filter(jobs::lease_token.eq(lease.token)))
        .set(jobs::lease_expires_at.eq(lease.until))
        .kept()
        .execute(tx.conn())
        .await?;
    Ok(renewed == 1)
}

/// Whether a job is held by this token; it stays so until the transaction ends.
///
/// # Errors
/// Database faults.
pub async fn lock(tx: &mut Tx<Tenant>, id: i64, token: Uuid) -> Outcome<bool> {
    let tenant = tx.tenant();
    let held = jobs::table
        .find(id)
        .filter(jobs::tenant_id.eq(tenant))
        .filter(jobs::lease_token.eq(token))
        .select(jobs::id)
        .for_update()
        .first::<i64>(tx.conn())
        .await
        .optional()?;
    Ok(held.is_some())
}

/// Ends a job, in the transaction of what it did. `false` when it was not ours any more: the transaction must not stand.
///
/// # Errors
/// Database faults.
pub async fn end(tx: &mut Tx<Tenant>, id: i64, token: Uuid) -> Outcome<bool> {
    let tenant = tx.tenant();
    let ended =
        diesel::delete(jobs::table.find(id).filter(jobs::tenant_id.eq(tenant)).filter(jobs::lease_token.eq(token)))
            .execute(tx.conn())
            .await?;
    Ok(ended == 1)
}

/// Puts a job off, without counting the try, in the transaction that found what it waits for. Nothing happens when it is not ours any
/// more.
///
/// # Errors
/// Database faults.
pub async fn put_off(
    tx: &mut Tx<Tenant>,
    job: &JobRow,
    token: Uuid,
    run_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Outcome<()> {
    let tenant = tx.tenant();
    let held = jobs::table.find(job.id).filter(jobs::tenant_id.eq(tenant)).filter(jobs::lease_token.eq(token));
    diesel::update(held)
        .set((
            jobs::state.eq(JobState::Ready),
            jobs::attempts.eq(job.attempts - 1),
            jobs::run_at.eq(run_at),
            jobs::lease_token.eq(None::<Uuid>),
            jobs::lease_expires_at.eq(None::<DateTime<Utc>>),
            jobs::updated_at.eq(now),
        ))
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// What becomes of a job that did not end.
#[derive(Debug, Clone, Copy)]
pub enum Next {
    /// It is due again then.
    Again(DateTime<Utc>),
    /// As before, and the try does not count.
    Uncounted(DateTime<Utc>),
    /// It is given up.
    Dead,
}

/// Lets go of a job that did not end, and says so of its delivery. Nothing happens when it is not ours any more.
///
/// # Errors
/// Database faults.
pub async fn let_go(
    tx: &mut Tx<Worker>,
    job: &JobRow,
    token: Uuid,
    next: Next,
    why: &str,
    now: DateTime<Utc>,
) -> Outcome<bool> {
    let (state, run_at, attempts) = match next {
        Next::Again(at) => (JobState::Ready, at, job.attempts),
        Next::Uncounted(at) => (JobState::Ready, at, job.attempts - 1),
        Next::Dead => (JobState::Dead, now, job.attempts),
    };
    let is_ours = diesel::update(jobs::table.find(job.id).filter(jobs::lease_token.eq(token)))
        .set((
            jobs::state.eq(state),
            jobs::attempts.eq(attempts),
            jobs::run_at.eq(run_at),
            jobs::lease_token.eq(None::<Uuid>),
            jobs::lease_expires_at.eq(None::<DateTime<Utc>>),
            jobs::last_error.eq(why),
            jobs::updated_at.eq(now),
        ))
        .execute(tx.conn())
        .await?
        == 1;
    if let Some(delivery) = job.delivery_id.filter(|_| is_ours && !matches!(next, Next::Uncounted(_))) {
        let status = if state == JobState::Dead { DeliveryStatus::Dead } else { DeliveryStatus::Failed };
        diesel::update(webhook_deliveries::table.find(delivery))
            .set((
                webhook_deliveries::status.eq(status),
                webhook_deliveries::attempts.eq(attempts),
                webhook_deliveries::last_error.eq(why),
            ))
            .execute(tx.conn())
            .await?;
    }
    Ok(is_ours)
}
