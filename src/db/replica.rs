//! Reads from a copy of the database (`DATABASE_REPLICA_URL`), which is a little behind. Whoever has just written reads what they
//! wrote: a tenant's queries are answered from the copy only when it has come as far as that tenant's last write, on whichever
//! node that was. Where that can't be known, the database itself is asked. Must not know any table.

#![expect(clippy::disallowed_methods, reason = "asks the server for its place in its own log, which is in no schema")]

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use diesel::{QueryResult, QueryableByName, sql_query, sql_types::BigInt};
use diesel_async::AsyncPgConnection;
use redis::Script;
use secrecy::SecretString;
use tokio::time::Instant;

use crate::{
    db::{
        pool::DbPool,
        scope::TenantScope,
        tx::{Mode, Tenant, Tx},
    },
    kernel::{failure::Outcome, ids::TenantId, metrics::Metrics, redis::Redis},
};

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

/// How far the database has written. Behind a commit, that is at least as far as what was committed.
pub(in crate::db) async fn written(connection: &mut AsyncPgConnection) -> QueryResult<Place> {
    ask(connection, "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS place").await
}

/// How far a copy has come; a server that is none has always come far enough.
async fn replayed(connection: &mut AsyncPgConnection) -> QueryResult<Place> {
    let question = "SELECT CASE WHEN pg_is_in_recovery() \
                    THEN coalesce(pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0'), 0)::bigint \
                    ELSE 9223372036854775807 END AS place";
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
    /// How far it was seen to have come.
    reached: AtomicI64,
    away_until: Mutex<Option<Instant>>,
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
    pub(in crate::db) fn new(pool: DbPool, redis: Option<&SecretString>) -> anyhow::Result<Self> {
        let counts = [AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0)];
        let writes = Writes::new(redis)?;
        Ok(Self { pool, writes, reached: AtomicI64::new(0), away_until: Mutex::default(), counts })
    }

    /// Notes that something was written, up to a place.
    pub(in crate::db) async fn note(&self, whose: Whose, place: Place) {
        self.writes.note(whose, place).await;
    }

    /// A read in a tenant's name; `None` where the database itself has to be asked.
    pub(in crate::db) async fn begin(&self, scope: &TenantScope) -> Option<Tx<Tenant>> {
        let begun = self.try_begin(scope).await;
        let (came, tx) = match begun {
            Ok(tx) => (Came::Served, Some(tx)),
            Err(came) => (came, None),
        };
        if let Some(count) = self.counts.get(came as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        tx
    }

    async fn try_begin(&self, scope: &TenantScope) -> Result<Tx<Tenant>, Came> {
        let needed = self.writes.needed(scope.tenant()).await.ok_or(Came::Behind)?;
        if self.is_away() {
            return Err(Came::Away);
        }
        let mut tx = self.open(scope).await.map_err(|()| {
            *self.away_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + REST);
            Came::Away
        })?;
        if needed > Place(self.reached.load(Ordering::Relaxed)) {
            let place = replayed(tx.conn()).await.map_err(|_| Came::Away)?;
            self.reached.fetch_max(place.0, Ordering::Relaxed);
            if needed > place {
                let _: Outcome<()> = tx.end(Ok(())).await;
                return Err(Came::Behind);
            }
        }
        Ok(tx)
    }

    async fn open(&self, scope: &TenantScope) -> Result<Tx<Tenant>, ()> {
        let begin = async || {
            let connection = self.pool.get().await.map_err(|error| tracing::debug!(%error, "the copy"))?;
            let begun = Tx::begin(connection, Mode::Read, Some(scope.tenant()), scope.bound_to()).await;
            begun.map_err(|error| tracing::debug!(%error, "the copy"))
        };
        if let Ok(tx) = begin().await {
            return Ok(tx);
        }
        // Connections that died unseen go; then it is there, or away.
        self.pool.retain(|_, _| false);
        begin().await.map_err(|()| {
            tracing::warn!("the database's copy can't be reached: the database itself is read meanwhile");
        })
    }

    fn is_away(&self) -> bool {
        let until = *self.away_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Whether it can be reached now.
    pub(in crate::db) async fn is_there(&self) -> bool {
        match self.pool.get().await {
            Ok(mut connection) => replayed(&mut connection).await.is_ok(),
            Err(_) => false,
        }
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
    others: Option<(Redis, Script)>,
}

impl Writes {
    fn new(redis: Option<&SecretString>) -> anyhow::Result<Self> {
        let connect = |url| {
            let redis = Redis::new(url, "the database's copy is not read, since other nodes' writes are not heard of")?;
            anyhow::Ok((redis, Script::new(include_str!("wrote.lua"))))
        };
        Ok(Self { own: Mutex::default(), others: redis.map(connect).transpose()? })
    }

    async fn note(&self, whose: Whose, place: Place) {
        {
            let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
            let last = own.entry(whose).or_insert(place);
            *last = place.max(*last);
        }
        let Some((redis, script)) = &self.others else { return };
        let mut call = script.key(name(whose));
        call.arg(place.0).arg(REMEMBERED.as_millis().to_string());
        let _: Option<i64> = redis.ask(async |link| call.invoke_async(link).await).await;
    }

    /// How far a copy must have come to be read by a tenant. `None` where the other nodes' writes can't be known.
    async fn needed(&self, tenant: TenantId) -> Option<Place> {
        let here = {
            let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
            own.get(&Some(tenant)).copied().max(own.get(&None).copied())
        };
        let Some((redis, _)) = &self.others else { return Some(here.unwrap_or(Place(0))) };
        let keys = [name(Some(tenant)), name(None)];
        let there: Vec<Option<i64>> =
            redis.ask(async |link| redis::cmd("MGET").arg(&keys).query_async(link).await).await?;
        Some(there.into_iter().flatten().map(Place).chain(here).max().unwrap_or(Place(0)))
    }
}

fn name(whose: Whose) -> String {
    // One slot for all, as several keys need where Redis is a cluster.
    format!("frontdesk:{{wrote}}:{}", whose.map_or_else(|| "platform".to_owned(), |tenant| tenant.0.to_string()))
}
