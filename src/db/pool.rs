//! The pool, and transactions in a scope's name. Must not know any table.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use deadpool::Runtime;
use diesel::connection::InstrumentationEvent;
use diesel_async::{
    AsyncConnection, AsyncPgConnection,
    pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod, deadpool::Pool},
};
use futures_util::FutureExt;
use secrecy::{ExposeSecret, SecretString};

use crate::{
    db::{
        connect,
        error::unreachable,
        scope::{AdminScope, TenantScope},
        tx::{Admin, Identity, Mode, Role, Tenant, Tx, Worker},
    },
    kernel::{
        failure::Outcome,
        metrics::{Metrics, count as gauged},
    },
};

pub(in crate::db) type PooledConnection = diesel_async::pooled_connection::deadpool::Object<AsyncPgConnection>;

/// How to reach the database.
#[derive(Debug, Clone)]
pub struct DbSettings {
    /// A URL or key-value string of the login role.
    pub url: SecretString,
    /// Connections at the most.
    pub pool_size: usize,
}

/// A pool of connections that sign in as a plain role. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    pool: Pool<AsyncPgConnection>,
    statements: Arc<AtomicU64>,
}

impl Db {
    /// Makes a pool. No connection is opened yet.
    ///
    /// # Errors
    /// When the URL can't be read.
    pub fn new(settings: &DbSettings) -> anyhow::Result<Self> {
        let target = Arc::new(connect::Target::parse(&settings.url)?);
        let statements = Arc::new(AtomicU64::new(0));
        let mut config = ManagerConfig::<AsyncPgConnection>::default();
        // A closed connection is noticed without a round trip; `Verified` would cost one for each checkout.
        config.recycling_method = RecyclingMethod::Fast;
        let counter = statements.clone();
        config.custom_setup = Box::new(move |_| {
            let (target, counter) = (target.clone(), counter.clone());
            async move {
                let mut connection = target.connect().await?;
                connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
                    if matches!(event, InstrumentationEvent::StartQuery { .. }) {
                        counter.fetch_add(1, Ordering::Relaxed);
                    }
                });
                Ok(connection)
            }
            .boxed()
        });
        let manager = AsyncDieselConnectionManager::new_with_config(settings.url.expose_secret(), config);
        let pool = Pool::builder(manager)
            .max_size(settings.pool_size)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(Duration::from_secs(5)))
            .create_timeout(Some(Duration::from_secs(5)))
            .recycle_timeout(Some(Duration::from_secs(5)))
            .build()
            .context("connection pool")?;
        Ok(Self { pool, statements })
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
        let mut tx = self.begin(Mode::Read, Some(scope)).await?;
        let result = work(&mut tx).await;
        tx.end(result).await
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
        let mut tx = self.begin(mode, Some(scope)).await?;
        let result = work(&mut tx).await;
        tx.end(result).await
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
        let mut tx = self.begin(Mode::Write, None).await?;
        let result = work(&mut tx).await;
        tx.end(result).await
    }

    /// Finds out who somebody is. Needs no scope: it is what scopes come from. Its role reads accounts, tenants and
    /// sessions, and nothing that a tenant's customers said.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub async fn identify<T>(&self, work: impl AsyncFnOnce(&mut Tx<Identity>) -> Outcome<T>) -> Outcome<T> {
        let mut tx = self.begin(Mode::Write, None).await?;
        let result = work(&mut tx).await;
        tx.end(result).await
    }

    /// Looks for the server's own open work over all tenants.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub async fn housekeep<T>(&self, work: impl AsyncFnOnce(&mut Tx<Worker>) -> Outcome<T>) -> Outcome<T> {
        let mut tx = self.begin(Mode::Write, None).await?;
        let result = work(&mut tx).await;
        tx.end(result).await
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
    }

    /// Closes the pool; what is checked out is closed on return.
    pub fn close(&self) {
        self.pool.close();
    }

    /// Begins a transaction. A pooled connection may have died unseen (the database was restarted): then all idle ones
    /// are dropped and a new one is tried, once. Nothing has run by then, so nothing can run twice.
    async fn begin<R: Role>(&self, mode: Mode, scope: Option<&TenantScope>) -> Outcome<Tx<R>> {
        let (tenant, conversation) = (scope.map(TenantScope::tenant), scope.and_then(TenantScope::bound_to));
        if let Ok(tx) = Tx::begin(self.checkout().await?, mode, tenant, conversation).await {
            return Ok(tx);
        }
        self.pool.retain(|_, _| false);
        let begun = Tx::begin(self.checkout().await?, mode, tenant, conversation).await;
        begun.map_err(|error| unreachable(&anyhow::Error::new(error).context("beginning a transaction")))
    }

    pub(in crate::db) async fn checkout(&self) -> Outcome<PooledConnection> {
        self.pool.get().await.map_err(|error| unreachable(&anyhow::Error::new(error).context("connection pool")))
    }
}
