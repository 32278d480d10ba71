//! A connection of the pool, on which the end of a read may still be to come. Nobody waits for that end, so it travels with
//! whatever the connection does next; where nothing comes for a moment, it is sent alone. Until then the transaction holds no row, and
//! keeps the tables that it read from being altered. Must not know roles or tables.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use deadpool::managed::{Manager, Metrics, Object, RecycleError, RecycleResult};
use diesel::{ConnectionError, ConnectionResult, QueryResult, connection::InstrumentationEvent};
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection, pooled_connection::PoolableConnection};
use futures_util::FutureExt;

use crate::{db::connect::Target, kernel::task};

/// How long an end waits for something to travel with.
const LINGER: Duration = Duration::from_millis(5);
/// How many ends in a row may travel. A transaction-mode pooler takes its own connection back only where one is sent alone, and
/// others may wait for that.
const CARRIED_MAX: u8 = 8;

/// Said to each new connection. Statements are prepared once for it, and planned once: PostgreSQL would plan anew, each time,
/// whatever has a `LIMIT $n` or an `= ANY($n)`, since it can't know that these are small. For the same reason it takes some of them
/// for dear, and would compile them, which takes longer than they do. And a transaction of which nothing more is heard, since this
/// machine was lost, keeps nobody waiting for longer than a minute. A pooler that hands connections on from one transaction to the
/// next may lose each of these: planning then costs time, and the server's own timeout holds.
const MANNERS: &str =
    "SET plan_cache_mode = force_generic_plan; SET jit = off; SET idle_in_transaction_session_timeout = '60s'";

/// Opens the pool's connections.
pub(in crate::db) struct Wires {
    target: Target,
    statements: Arc<AtomicU64>,
    is_swept: Arc<AtomicBool>,
}

impl Wires {
    /// Connections to a database, which count what they send.
    pub(in crate::db) fn new(target: Target, statements: Arc<AtomicU64>) -> Self {
        Self { target, statements, is_swept: Arc::default() }
    }

    async fn open(&self) -> ConnectionResult<Wire> {
        let mut connection = self.target.connect().await?;
        connection.batch_execute(MANNERS).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
        let (statements, is_swept, is_counted) =
            (self.statements.clone(), self.is_swept.clone(), Arc::new(AtomicBool::new(false)));
        let (counter, was_counted) = (statements.clone(), is_counted.clone());
        connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if matches!(event, InstrumentationEvent::StartQuery { .. }) && !was_counted.swap(false, Ordering::Relaxed) {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        let (lingers, carried, has_noted, is_asked) = (AtomicBool::new(false), 0, false, false);
        Ok(Wire { connection, lingers, carried, has_noted, is_asked, statements, is_counted, is_swept })
    }
}

impl Manager for Wires {
    /// Boxed, since it goes from hand to hand.
    type Type = Box<Wire>;
    type Error = ConnectionError;

    /// Boxed, since every future that waits for a connection would have room for this.
    async fn create(&self) -> ConnectionResult<Box<Wire>> {
        Ok(Box::new(Box::pin(self.open()).await?))
    }

    /// A closed connection is noticed without a round trip.
    async fn recycle(&self, wire: &mut Box<Wire>, _: &Metrics) -> RecycleResult<ConnectionError> {
        let is_unfit = wire.is_asked || wire.connection.is_broken();
        if is_unfit { Err(RecycleError::message("it was closed, or did not answer")) } else { Ok(()) }
    }
}

/// A connection of the pool.
pub(in crate::db) struct Wire {
    connection: AsyncPgConnection,
    /// A read is over, and its end was not sent.
    lingers: AtomicBool,
    /// Ends that travelled since one was sent alone.
    carried: u8,
    /// The statement that adds to the audit log, which is the last before a `COMMIT`, was prepared on it.
    pub(in crate::db) has_noted: bool,
    /// It was asked something outside of a transaction. Where nobody waits for the answer any more it is not used again: the next
    /// would have to wait for it.
    pub(in crate::db) is_asked: bool,
    statements: Arc<AtomicU64>,
    /// What is sent next was counted before.
    is_counted: Arc<AtomicBool>,
    /// Somebody will look after the pool's idle connections. One for all of them.
    is_swept: Arc<AtomicBool>,
}

impl Wire {
    /// Sends a batch that begins a transaction, behind the end of what came before, and waits for nothing.
    ///
    /// # Errors
    /// A connection that is known to be closed: nothing was sent.
    pub(in crate::db) fn begin(&mut self, batch: &str) -> QueryResult<()> {
        if std::mem::take(self.lingers.get_mut()) {
            self.carried += 1;
            return self.send(&format!("COMMIT; {batch}"));
        }
        self.carried = 0;
        self.send(batch)
    }

    /// Sends a batch and waits for nothing. tokio-postgres has put it on its way when it is first polled, and passes over answers that
    /// nobody waits for.
    pub(in crate::db) fn send(&self, batch: &str) -> QueryResult<()> {
        (&mut &self.connection).batch_execute(batch).now_or_never().unwrap_or(Ok(()))
    }

    /// The connection, with nothing open that was not begun since.
    pub(in crate::db) fn conn(&mut self) -> &mut AsyncPgConnection {
        self.settle();
        &mut self.connection
    }

    /// As [`Wire::conn`], for several statements at once.
    pub(in crate::db) fn line(&self) -> &AsyncPgConnection {
        self.settle();
        &self.connection
    }

    /// Sends the end that is to come.
    fn settle(&self) {
        if self.lingers.swap(false, Ordering::SeqCst) {
            // It was counted when the read was over: at which moment its end is sent depends on others.
            self.is_counted.store(true, Ordering::Relaxed);
            // Where it can't be sent, the connection is closed, and the transaction gone.
            let _ = self.send("COMMIT");
        }
    }

    /// Gives a connection back whose read is over. Where nothing is asked of it for a moment, a sweep sends the end.
    pub(in crate::db) fn rest(wire: Object<Wires>) {
        wire.lingers.store(true, Ordering::SeqCst);
        wire.statements.fetch_add(1, Ordering::Relaxed);
        if wire.carried >= CARRIED_MAX {
            return wire.settle();
        }
        let (is_swept, pool) = (wire.is_swept.clone(), Object::pool(&wire));
        drop(wire);
        // Whoever comes before the sweeper has said so is seen by it.
        if let Some(pool) = pool
            && !is_swept.swap(true, Ordering::SeqCst)
        {
            task::apart(async move {
                tokio::time::sleep(LINGER).await;
                is_swept.store(false, Ordering::SeqCst);
                pool.retain(|wire, _| {
                    wire.settle();
                    true
                });
            });
        }
    }
}
