//! The pool, and transactions in a scope's name. Must not know any table.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use deadpool::{
    Runtime,
    managed::{Object, Pool, PoolError, QueueMode},
};
use diesel::ConnectionError;
use secrecy::SecretString;

use crate::{
    db::{
        connect,
        error::unreachable,
        replica::{self, Replica, Whose},
        scope::{AdminScope, TenantScope},
        standings::{BELIEVED, Standings},
        tx::{Admin, Identity, Mode, Role, Tenant, Tx, Worker},
        wire::Wires,
    },
    kernel::{
        failure::Outcome,
        ids::TenantId,
        metrics::{Metrics, count as gauged},
    },
};

pub(in crate::db) type PooledConnection = Object<Wires>;

/// How long a connection may take to be free, and to be opened.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same of the copy's: whoever waits for it could have asked the database.
const REPLICA_PATIENCE: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// How to reach the database.
#[derive(Debug, Clone)]
pub struct DbSettings {
    /// A URL or key-value string of the login role.
    pub url: SecretString,
    /// Connections at the most.
    pub pool_size: usize,
}

/// How to reach a copy of the database.
#[derive(Debug, Clone)]
pub struct ReplicaSettings {
    /// The login role's URL there (`DATABASE_REPLICA_URL`).
    pub url: SecretString,
    /// Connections at the most.
    pub pool_size: usize,
    /// Over which nodes tell each other of their writes; `None` for a node that is alone.
    pub redis: Option<SecretString>,
}

pub(in crate::db) type DbPool = Pool<Wires>;

/// A pool of connections that sign in as a plain role. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    pool: DbPool,
    statements: Arc<AtomicU64>,
    replica: Option<Arc<Replica>>,
    only_reads: bool,
    pub(in crate::db) standings: Arc<Standings>,
}

impl Db {
    /// Makes a pool. No connection is opened yet.
    ///
    /// # Errors
    /// When the URL can't be read.
    pub fn new(settings: &DbSettings) -> anyhow::Result<Self> {
        let statements = Arc::new(AtomicU64::new(0));
        let pool = pool("DATABASE_URL", &settings.url, settings.pool_size, &statements, [PATIENCE; 2])?;
        let standings = Arc::new(Standings::new(BELIEVED));
        Ok(Self { pool, statements, replica: None, only_reads: false, standings })
    }

    /// The same, which believes what it has read of a caller for so long (`IDENTITY_CACHE_MILLISECONDS`).
    #[must_use]
    pub fn believing_callers(self, duration: Duration) -> Self {
        Self { standings: Arc::new(Standings::new(duration)), ..self }
    }

    /// The same, with a copy for [`Db::read_copy`].
    ///
    /// # Errors
    /// When a URL can't be read.
    pub fn with_replica(mut self, settings: &ReplicaSettings) -> anyhow::Result<Self> {
        let (url, size) = (&settings.url, settings.pool_size);
        let pool = pool("DATABASE_REPLICA_URL", url, size, &self.statements, REPLICA_PATIENCE)?;
        self.replica = Some(Arc::new(Replica::new(pool, self.standings.clone(), settings.redis.as_ref())?));
        Ok(self)
    }

    /// Whether the copy can be reached; `None` where there is none.
    pub async fn has_replica(&self) -> Option<bool> {
        Some(self.replica.as_ref()?.is_there().await)
    }

    /// The same pool for whoever is to change nothing: every transaction is begun READ ONLY.
    #[must_use]
    pub fn only_reading(self) -> Self {
        Self { only_reads: true, ..self }
    }

    /// SQL statements sent so far, the bracket of each transaction included. For the round-trip tests and metrics.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Reads in a tenant's name.
    ///
    /// # Errors
    /// Whatever `work` returns, or `UPSTREAM_UNAVAILABLE` when the database is away.
    pub async fn read<T>(
        &self,
        scope: &TenantScope,
        work: impl AsyncFnOnce(&mut Tx<Tenant>) -> Outcome<T>,
    ) -> Outcome<T> {
        self.run(Mode::Read, Some(scope), None, work).await
    }

    /// Reads in a tenant's name, from the copy where there is one that has come far enough. For what is only shown.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub async fn read_copy<T>(
        &self,
        scope: &TenantScope,
        work: impl AsyncFnOnce(&mut Tx<Tenant>) -> Outcome<T>,
    ) -> Outcome<T> {
        let Some(replica) = &self.replica else { return self.read(scope, work).await };
        let run = async move {
            let Some(mut tx) = self.begin_copy(replica, scope).await else { return self.read(scope, work).await };
            let result = work(&mut tx).await;
            replica.judged(tx.end(result).await)
        };
        // Boxed, as in `run`.
        Box::pin(run).await
    }

    /// Writes in a tenant's name: all of `work`, or nothing. Under a read-only lease the database itself refuses.
    ///
    /// # Errors
    /// As [`Db::read`]; `FORBIDDEN` under a read-only lease.
    pub async fn write<T>(
        &self,
        scope: &TenantScope,
        work: impl AsyncFnOnce(&mut Tx<Tenant>) -> Outcome<T>,
    ) -> Outcome<T> {
        let mode = if scope.is_read_only() { Mode::Read } else { Mode::Write };
        self.run(mode, Some(scope), Some(Some(scope.tenant())), work).await
    }

    /// Administers the platform.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub async fn administer<T>(
        &self,
        _scope: &AdminScope,
        work: impl AsyncFnOnce(&mut Tx<Admin>) -> Outcome<T>,
    ) -> Outcome<T> {
        let run = async move {
            let mut tx = self.begin(Mode::Write, None).await?;
            let result = work(&mut tx).await;
            let has_written =
                self.replica.is_none() || tx.is_noted() || replica::has_written(tx.conn()).await.unwrap_or(true);
            if has_written { self.end(tx, result, None).await } else { tx.end(result).await }
        };
        // Boxed, as in `run`.
        Box::pin(run).await
    }

    /// Finds out who somebody is. Needs no scope: it is what scopes come from. Its role reads accounts, tenants and
    /// sessions, and nothing that a tenant's customers said.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub async fn identify<T>(&self, work: impl AsyncFnOnce(&mut Tx<Identity>) -> Outcome<T>) -> Outcome<T> {
        self.run(Mode::Read, None, None, work).await
    }

    /// As [`Db::identify`], and notes something at the door, of a person or visitor of `tenant`: a sign-in, its end, a visit.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub async fn identify_and_note<T>(
        &self,
        tenant: Option<TenantId>,
        work: impl AsyncFnOnce(&mut Tx<Identity>) -> Outcome<T>,
    ) -> Outcome<T> {
        self.run(Mode::Write, None, Some(tenant), work).await
    }

    /// Looks for the server's own open work over all tenants.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub async fn housekeep<T>(&self, work: impl AsyncFnOnce(&mut Tx<Worker>) -> Outcome<T>) -> Outcome<T> {
        self.run(Mode::Write, None, None, work).await
    }

    /// What the operator's scraper reads of the pool, as of now.
    pub fn measure(&self, metrics: &Metrics) {
        let status = self.pool.status();
        let connections = [("idle", status.available), ("in_use", status.size.saturating_sub(status.available))];
        metrics.record(|| {
            metrics::describe_gauge!("frontdesk_database_connections", "Connections of the pool, by state.");
            for (state, count) in connections {
                metrics::gauge!("frontdesk_database_connections", "state" => state).set(gauged(count));
            }
            metrics::describe_gauge!("frontdesk_database_connections_max", "Connections that the pool may have.");
            metrics::gauge!("frontdesk_database_connections_max").set(gauged(status.max_size));
            metrics::describe_gauge!("frontdesk_database_waiting", "Pieces of work that wait for a connection.");
            metrics::gauge!("frontdesk_database_waiting").set(gauged(status.waiting));
            metrics::describe_counter!("frontdesk_database_statements_total", "SQL statements that were sent.");
            metrics::counter!("frontdesk_database_statements_total").absolute(self.statements());
        });
        if let Some(replica) = &self.replica {
            replica.measure(metrics);
        }
    }

    /// Closes the pool; what is checked out is closed on return.
    pub fn close(&self) {
        self.pool.close();
        if let Some(replica) = &self.replica {
            replica.close();
        }
    }

    /// Runs `work` in a transaction, and notes for the copy what it has written, where it is said whose that is.
    async fn run<R: Role, T>(
        &self,
        mode: Mode,
        scope: Option<&TenantScope>,
        writes: Option<Whose>,
        work: impl AsyncFnOnce(&mut Tx<R>) -> Outcome<T>,
    ) -> Outcome<T> {
        let run = async move {
            let mut tx = self.begin(mode, scope).await?;
            let result = work(&mut tx).await;
            match writes {
                Some(whose) => self.end(tx, result, whose).await,
                None => tx.end(result).await,
            }
        };
        // Boxed: whatever asks the database, and each layer around it, would have room for all of this. async-graphql makes one
        // future of all fields of a type, as large as the largest, and moves it several times before it begins.
        Box::pin(run).await
    }

    /// Begins a transaction. A pooled connection may have died unseen (the database was restarted): then all idle ones
    /// are dropped and a new one is tried, once. Nothing has run by then, so nothing can run twice.
    async fn begin<R: Role>(&self, mode: Mode, scope: Option<&TenantScope>) -> Outcome<Tx<R>> {
        let mode = if self.only_reads { Mode::Read } else { mode };
        let (tenant, conversation) = (scope.map(TenantScope::tenant), scope.and_then(TenantScope::bound_to));
        if let Ok(tx) = Tx::begin(self.checkout().await?, mode, tenant, conversation, self.standings.clone()) {
            return Ok(tx);
        }
        self.pool.retain(|_, _| false);
        let begun = Tx::begin(self.checkout().await?, mode, tenant, conversation, self.standings.clone());
        begun.map_err(|error| unreachable(&anyhow::Error::new(error).context("beginning a transaction")))
    }

    /// Begins a read at the copy; `None` where the database itself has to be asked.
    async fn begin_copy(&self, replica: &Replica, scope: &TenantScope) -> Option<Tx<Tenant>> {
        let needed = replica.needed(scope.tenant()).await;
        if needed.is_none() {
            // From here on it is known.
            self.note_now(replica, None).await;
        }
        replica.begin(scope, needed).await
    }

    /// Notes for the copy how far the database has written by now, where it can be asked.
    async fn note_now(&self, replica: &Replica, whose: Whose) {
        let Ok(mut connection) = self.checkout().await else { return };
        if let Ok(place) = replica::written(connection.conn()).await {
            replica.note(whose, place).await;
        }
    }

    /// Ends a transaction that may have written, and notes for the copy how far.
    async fn end<R: Role, T>(&self, tx: Tx<R>, result: Outcome<T>, whose: Whose) -> Outcome<T> {
        let Some(replica) = &self.replica else { return tx.end(result).await };
        let told = async move {
            let (value, place) = tx.end_and(result, async |connection| replica::written(connection).await).await?;
            match place {
                Ok(place) => replica.note(whose, place).await,
                // That connection broke after the commit; another one says at least as much.
                Err(_) => self.note_now(replica, whose).await,
            }
            Ok(value)
        };
        // Boxed: few have a copy, and each transaction would have room for this.
        Box::pin(told).await
    }

    pub(in crate::db) async fn checkout(&self) -> Outcome<PooledConnection> {
        self.pool.get().await.map_err(|error| unreachable(&why(error).context("connection pool")))
    }

    /// As [`Db::checkout`], for a start, which says itself what is in its way.
    pub(in crate::db) async fn first(&self) -> anyhow::Result<PooledConnection> {
        self.pool.get().await.map_err(why)
    }
}

/// What is in the way of a connection, once: the pool would say it twice.
pub(in crate::db) fn why(error: PoolError<ConnectionError>) -> anyhow::Error {
    match error {
        PoolError::Backend(error) => error.into(),
        other => other.into(),
    }
}

fn pool(
    name: &str,
    url: &SecretString,
    size: usize,
    statements: &Arc<AtomicU64>,
    patience: [Duration; 2],
) -> anyhow::Result<DbPool> {
    let [wait, connect] = patience;
    let manager = Wires::new(connect::Target::parse(name, url)?, statements.clone());
    Pool::builder(manager)
        .max_size(size)
        .runtime(Runtime::Tokio1)
        // Who was busy last is busy next: what its connection has still to send travels soonest, and the others rest.
        .queue_mode(QueueMode::Lifo)
        .wait_timeout(Some(wait))
        .create_timeout(Some(connect))
        .recycle_timeout(Some(connect))
        .build()
        .context("connection pool")
}
