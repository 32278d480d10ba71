//! Reads from a copy of the database (`DATABASE_REPLICA_URL`), which is a little behind. Whoever has just written reads what they
//! wrote: a tenant's queries are answered from the copy only when it has come as far as that tenant's last write, on whichever
//! node that was. Where that can't be known, the database itself is asked. Must not know any table.

#![expect(clippy::disallowed_methods, reason = "asks the server for its place in its own log, which is in no schema")]

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use deadpool::managed::{PoolError, TimeoutType};
use diesel::{QueryResult, QueryableByName, sql_query, sql_types::BigInt};
use diesel_async::AsyncPgConnection;
use redis::Script;
use secrecy::SecretString;
use tokio::time::{Instant, timeout};

use crate::{
    db::{
        pool::{self, DbPool},
        scope::TenantScope,
        standings::Standings,
        tx::{Mode, Tenant, Tx},
    },
    kernel::{
        failure::{ErrorCode, Failure, Outcome, Refusal},
        ids::TenantId,
        metrics::Metrics,
        redis::Redis,
    },
};

/// How long the copy may take to begin a read.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a copy that can't be reached is left alone.
const REST: Duration = Duration::from_secs(2);
/// How long Redis remembers a write: a copy that is further behind is one that somebody looks after.
const REMEMBERED: Duration = Duration::from_hours(6);

/// Whose rows a write touched: one tenant's, or anybody's.
pub(in crate::db) type Whose = Option<TenantId>;

/// A place in the database's log, in bytes since its beginning (`pg_lsn`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::db) struct Place(i64);

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = BigInt)]
    place: i64,
}

/// Whether a transaction has changed anything.
pub(in crate::db) async fn has_written(connection: &mut AsyncPgConnection) -> QueryResult<bool> {
    let question = "SELECT (pg_current_xact_id_if_assigned() IS NOT NULL)::int::bigint AS place";
    Ok(ask(connection, question).await?.0 == 1)
}

/// How far the database has written. Behind a commit, that is at least as far as what was committed.
pub(in crate::db) async fn written(connection: &mut AsyncPgConnection) -> QueryResult<Place> {
    ask(connection, "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS place").await
}

/// How far a copy has come; one that was promoted meanwhile, as far as it has written.
async fn replayed(connection: &mut AsyncPgConnection) -> QueryResult<Place> {
    let question = "SELECT CASE WHEN pg_is_in_recovery() \
                    THEN coalesce(pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0'), 0)::bigint \
                    ELSE pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint END AS place";
    ask(connection, question).await
}

async fn ask(connection: &mut AsyncPgConnection, question: &str) -> QueryResult<Place> {
    // Here alone, since it gives every value a `load`.
    use diesel_async::RunQueryDsl;

    Ok(Place(sql_query(question).get_result::<Answer>(connection).await?.place))
}

/// The copy.
pub(in crate::db) struct Replica {
    pool: DbPool,
    writes: Writes,
    standings: Arc<Standings>,
    /// Since it could not be reached, until when it is left alone.
    rests_until: Mutex<Option<Instant>>,
    counts: [AtomicU64; 3],
}

/// What came of a read that the copy might have served.
#[derive(Clone, Copy)]
enum Came {
    Served,
    Behind,
    Away,
}

impl Replica {
    pub(in crate::db) fn new(
        pool: DbPool,
        standings: Arc<Standings>,
        redis: Option<&SecretString>,
    ) -> anyhow::Result<Self> {
        let counts = [AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0)];
        Ok(Self { pool, writes: Writes::new(redis)?, standings, rests_until: Mutex::default(), counts })
    }

    /// Notes that something was written, up to a place.
    pub(in crate::db) async fn note(&self, whose: Whose, place: Place) {
        self.writes.note(whose, place).await;
    }

    /// How far the copy must have come for a tenant. `None` where that is not known: other nodes' writes can't be heard of, or
    /// nobody has said yet where the log stood when this began.
    pub(in crate::db) async fn needed(&self, tenant: TenantId) -> Option<Place> {
        self.writes.needed(tenant).await
    }

    /// A read in a tenant's name; `None` where the database itself has to be asked.
    pub(in crate::db) async fn begin(&self, scope: &TenantScope, needed: Option<Place>) -> Option<Tx<Tenant>> {
        let begun = match needed {
            None => Err(Came::Behind),
            Some(_) if !self.may_be_tried() => Err(Came::Away),
            Some(needed) => self.open(scope, needed).await,
        };
        let (came, tx) = match begun {
            Ok(tx) => (Came::Served, Some(tx)),
            Err(came) => (came, None),
        };
        if let Some(count) = self.counts.get(came as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        tx
    }

    /// A transaction on a copy that has come far enough. It is not waited for: whoever reads is better off at the database.
    async fn open(&self, scope: &TenantScope, needed: Place) -> Result<Tx<Tenant>, Came> {
        let connection = match self.pool.get().await {
            Ok(connection) => connection,
            // All of its connections are busy, which is no fault of it.
            Err(PoolError::Timeout(TimeoutType::Wait)) => return Err(Came::Behind),
            Err(error) => return Err(self.rest(&pool::why(error))),
        };
        let begin = async {
            let mut tx =
                Tx::begin(connection, Mode::Read, Some(scope.tenant()), scope.bound_to(), self.standings.clone())?;
            // Asked each time: behind one name there may be another copy by now, or one that was made anew.
            let place = replayed(tx.conn()).await?;
            diesel::QueryResult::Ok((tx, place))
        };
        let (tx, place) = match timeout(PATIENCE, begin).await {
            Ok(Ok(begun)) => begun,
            Ok(Err(error)) => return Err(self.rest(&anyhow::Error::new(error))),
            Err(_) => return Err(self.rest(&anyhow::anyhow!("no answer in time"))),
        };
        *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if needed > place {
            let _: Outcome<()> = tx.end(Ok(())).await;
            return Err(Came::Behind);
        }
        Ok(tx)
    }

    /// It is well, or one looks whether it is again: the others go on without it.
    fn may_be_tried(&self) -> bool {
        let mut until = self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match *until {
            Some(at) if now < at => false,
            Some(_) => {
                *until = Some(now + REST);
                true
            }
            None => true,
        }
    }

    /// Leaves it alone for a while. Its idle connections may be as dead as the one that was tried.
    fn rest(&self, error: &anyhow::Error) -> Came {
        let mut until = self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.replace(Instant::now() + REST).is_none() {
            tracing::warn!(
                error = %format!("{error:#}"),
                "the database's copy can't be reached: the database itself is read meanwhile"
            );
        }
        drop(until);
        self.pool.retain(|_, _| false);
        Came::Away
    }

    /// What came of a read on the copy: a fault there is no conflict of the reader's with anybody, and the next reads go
    /// elsewhere.
    pub(in crate::db) fn judged<T>(&self, result: Outcome<T>) -> Outcome<T> {
        match result {
            Err(Failure::Refused(refusal))
                if matches!(refusal.code, ErrorCode::Conflict | ErrorCode::UpstreamUnavailable) =>
            {
                self.rest(&anyhow::anyhow!("a read broke off: {}", refusal.message));
                let message = "The data could not be read just now. Try again.";
                Err(Refusal::new(ErrorCode::UpstreamUnavailable, message).into())
            }
            result => result,
        }
    }

    /// Whether it can be reached now.
    pub(in crate::db) async fn is_there(&self) -> bool {
        let mut connection = match self.pool.get().await {
            Ok(connection) => connection,
            // All are in use, which is no fault of it.
            Err(error) => return matches!(error, PoolError::Timeout(TimeoutType::Wait)),
        };
        connection.is_asked = true;
        let is_there = timeout(PATIENCE, replayed(connection.conn())).await.is_ok_and(|answer| answer.is_ok());
        connection.is_asked = !is_there;
        is_there
    }

    pub(in crate::db) fn measure(&self, metrics: &Metrics) {
        metrics.record(|| {
            metrics::describe_counter!(
                "frontdesk_replica_reads_total",
                "Reads that the database's copy served, or could not: it was behind what the tenant wrote, or away."
            );
            for (outcome, count) in ["served", "behind", "away"].into_iter().zip(&self.counts) {
                metrics::counter!("frontdesk_replica_reads_total", "outcome" => outcome)
                    .absolute(count.load(Ordering::Relaxed));
            }
        });
    }

    pub(in crate::db) fn close(&self) {
        self.pool.close();
    }
}

/// Up to which place tenants have written: on this node, and by Redis on the others.
struct Writes {
    own: Mutex<HashMap<Whose, Place>>,
    /// What the others could not be told yet.
    unsent: Mutex<HashMap<Whose, Place>>,
    others: Option<(Redis, Script)>,
}

impl Writes {
    fn new(redis: Option<&SecretString>) -> anyhow::Result<Self> {
        let connect = |url| {
            let redis = Redis::new(url, "the database's copy is not read, since other nodes' writes are not heard of")?;
            anyhow::Ok((redis, Script::new(include_str!("wrote.lua"))))
        };
        Ok(Self { own: Mutex::default(), unsent: Mutex::default(), others: redis.map(connect).transpose()? })
    }

    async fn note(&self, whose: Whose, place: Place) {
        raise(&self.own, whose, place);
        if self.others.is_some() {
            raise(&self.unsent, whose, place);
            self.send().await;
        }
    }

    /// Tells the others what they don't know yet; what can't be told now is told with the next.
    async fn send(&self) {
        let Some((redis, script)) = &self.others else { return };
        let unsent = std::mem::take(&mut *self.unsent.lock().unwrap_or_else(PoisonError::into_inner));
        for (whose, place) in unsent {
            let mut call = script.key(name(whose));
            call.arg(place.0).arg(REMEMBERED.as_millis().to_string());
            let told: Option<i64> = redis.ask(async |link| call.invoke_async(link).await).await;
            if told.is_none() {
                raise(&self.unsent, whose, place);
            }
        }
    }

    /// What the platform wrote last is known from the start, or nothing is: a Redis that has forgotten it has forgotten all.
    async fn needed(&self, tenant: TenantId) -> Option<Place> {
        let (mine, platform) = {
            let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
            (own.get(&Some(tenant)).copied(), own.get(&None).copied())
        };
        let Some((redis, _)) = &self.others else { return Some(platform?.max(mine.unwrap_or(Place(0)))) };
        if !self.unsent.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            self.send().await;
        }
        let keys = [name(Some(tenant)), name(None)];
        let (theirs, platforms): (Option<i64>, Option<i64>) =
            redis.ask(async |link| redis::cmd("MGET").arg(&keys).query_async(link).await).await?;
        let known = [theirs.map(Place), mine, platform];
        known.into_iter().flatten().chain([Place(platforms?)]).max()
    }
}

fn raise(places: &Mutex<HashMap<Whose, Place>>, whose: Whose, place: Place) {
    let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
    let last = places.entry(whose).or_insert(place);
    *last = place.max(*last);
}

fn name(whose: Whose) -> String {
    // One slot for all, as several keys need where Redis is a cluster.
    format!("frontdesk:{{wrote}}:{}", whose.map_or_else(|| "platform".to_owned(), |tenant| tenant.0.to_string()))
}
