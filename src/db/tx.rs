//! Transactions. Each begins with one statement batch that takes a no-login role and the tenant (for a website visitor, the
//! conversation too) for the length of the transaction only (`SET LOCAL`), which is right behind a
//! transaction-mode pooler too. A transaction that is dropped half-way (a cancelled request) takes its connection with it,
//! so that no work that is half done, and no tenant to go on in, ever returns to the pool.
//!
//! What needs no answer is not waited for: the batch travels with the first statement, what the audit log is to say with the `COMMIT`,
//! and the end of a transaction that only read with whatever its connection does next (`wire.rs`). PostgreSQL takes what a
//! connection sends in order; a statement whose batch failed finds no role, or a transaction that takes no more, and fails too.

use std::{
    fmt::Write,
    marker::PhantomData,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::{FutureExt, future::join};
use tokio::task::unconstrained;
use tracing::{Span, field::Empty};

use crate::{
    db::{
        entry::NewEntry,
        error::{is_unwritten, unreachable, unwritten},
        pool::PooledConnection,
        standings::Standings,
        wire::Wire,
    },
    kernel::{
        failure::Outcome,
        ids::{ConversationId, TenantId},
        trace,
    },
};

/// Milliseconds that one statement may take.
const STATEMENT_TIMEOUT: u32 = 15_000;

mod sealed {
    pub trait Role {
        const NAME: &'static str;
        /// Statements that begin its transactions beyond those of all.
        const ALSO: &'static str = "";
    }
}
pub(in crate::db) use sealed::Role;

/// Work inside one tenant.
pub enum Tenant {}
/// Administration of the platform.
pub enum Admin {}
/// Finding out who somebody is.
pub enum Identity {}
/// The server's own housekeeping over all tenants; sees which work is open, not what it says.
pub enum Worker {}

impl Role for Tenant {
    const NAME: &'static str = "frontdesk_tenant";
}
impl Role for Admin {
    const NAME: &'static str = "frontdesk_admin";
}
impl Role for Identity {
    const NAME: &'static str = "frontdesk_identity";
}
impl Role for Worker {
    const NAME: &'static str = "frontdesk_worker";
    /// What waits is few or many: how to look for it is for PostgreSQL to say each time.
    const ALSO: &'static str = "; SET LOCAL plan_cache_mode = auto";
}

/// Work that is done either from inside a tenant or from the platform's side. Which rows a query means by "ours" follows
/// from it: the tenant's own, or those that no tenant owns.
pub trait Viewpoint: Role + Sized {
    /// The tenant, from inside one.
    fn tenant_of(tx: &Tx<Self>) -> Option<TenantId>;
}
impl Viewpoint for Tenant {
    fn tenant_of(tx: &Tx<Self>) -> Option<TenantId> {
        Some(tx.tenant())
    }
}
impl Viewpoint for Admin {
    fn tenant_of(_: &Tx<Self>) -> Option<TenantId> {
        None
    }
}

/// Whether a transaction may write; the database holds it to that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Only reads.
    Read,
    /// Reads and writes.
    Write,
}

/// An open transaction in the role `R`. The signature of a query says in which role it may run.
pub struct Tx<R> {
    /// `None` only after the end.
    connection: Option<PooledConnection>,
    mode: Mode,
    tenant: Option<TenantId>,
    role: PhantomData<fn() -> R>,
    /// Its place in a trace; open for as long as it is, and never entered, so that what it is held over is not inside of it.
    span: Span,
    statements: AtomicU32,
    standings: Arc<Standings>,
    alters_standings: bool,
    /// What the audit log is to say of it.
    entries: Vec<NewEntry>,
}

impl<R: Role> Tx<R> {
    /// Sends what begins it.
    ///
    /// # Errors
    /// A connection that is known to be closed: nothing was sent.
    pub(in crate::db) fn begin(
        connection: PooledConnection,
        mode: Mode,
        tenant: Option<TenantId>,
        conversation: Option<ConversationId>,
        standings: Arc<Standings>,
    ) -> QueryResult<Self> {
        let span = span(mode, R::NAME);
        let mut tx = Self {
            connection: Some(connection),
            mode,
            tenant,
            role: PhantomData,
            span,
            statements: AtomicU32::new(0),
            standings,
            alters_standings: false,
            entries: Vec::new(),
        };
        let begin = match mode {
            Mode::Read => "BEGIN READ ONLY",
            Mode::Write => "BEGIN",
        };
        // The simple protocol takes no parameters, and one message of it holds many statements. What is written into the text is
        // a constant or a number.
        let mut batch = format!(
            "{begin}; SET LOCAL ROLE {}; SET LOCAL statement_timeout = {STATEMENT_TIMEOUT}{}",
            R::NAME,
            R::ALSO
        );
        // Writing into a string can't fail.
        let _ = match tenant {
            Some(TenantId(id)) => write!(batch, "; SET LOCAL app.tenant_id = '{id}'"),
            None => write!(batch, "; SET LOCAL app.tenant_id = ''"),
        };
        // Never set for longer than a transaction, and so unset here unless it is said.
        if let Some(ConversationId(id)) = conversation {
            let _ = write!(batch, "; SET LOCAL app.conversation_id = '{id}'");
        }
        tx.wire().begin(&batch)?;
        Ok(tx)
    }

    /// Commits what succeeded, rolls back what did not, and gives the result on.
    pub(in crate::db) async fn end<T>(mut self, result: Outcome<T>) -> Outcome<T> {
        if self.mode == Mode::Write || result.is_err() || self.is_noted() {
            return self.end_and(result, async |_| ()).await.map(|(value, ())| value);
        }
        self.told();
        // There is nothing that its end could fail to keep, so it is nobody's to wait for.
        if let Some(wire) = self.connection.take() {
            Wire::rest(wire);
        }
        result
    }

    /// As [`Tx::end`]; asks the connection something after a commit.
    pub(in crate::db) async fn end_and<T, A>(
        mut self,
        result: Outcome<T>,
        after: impl AsyncFnOnce(&mut AsyncPgConnection) -> A,
    ) -> Outcome<(T, A)> {
        self.told();
        let entries = std::mem::take(&mut self.entries);
        let (result, ended) = match (result, entries.split_last()) {
            (Ok(value), Some((last, others))) => {
                let (noted, ended) = self.note_and_commit(last, others).await;
                (noted.map(|()| value).map_err(Into::into), ended)
            }
            (result, _) => {
                let statement = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
                let ended = match self.mode {
                    Mode::Read => self.wire().send(statement),
                    Mode::Write => self.conn().batch_execute(statement).await,
                };
                (result, ended)
            }
        };
        // A connection that could not even end its transaction is not fit for the pool: `Drop` closes it.
        match (result, ended) {
            (Ok(value), Ok(())) => {
                let answer = after(self.conn()).await;
                self.release();
                Ok((value, answer))
            }
            // Nor is one that takes no writes: the next may lead to a server that does, or be one that may by then.
            (Err(failure), _) if is_unwritten(&failure) => Err(unwritten(self.mode)),
            (Err(failure), Ok(())) => {
                self.release();
                Err(failure)
            }
            (Ok(_), Err(error)) => Err(unreachable(&anyhow::Error::new(error).context("COMMIT"))),
            (Err(failure), Err(_)) => Err(failure),
        }
    }

    /// Writes into the audit log what was done, and commits; tells what became of each. Where an entry can't be written nothing is
    /// committed: PostgreSQL takes a `COMMIT` for a `ROLLBACK` where something failed before it.
    async fn note_and_commit(&mut self, last: &NewEntry, others: &[NewEntry]) -> (QueryResult<()>, QueryResult<()>) {
        let mut is_prepared = std::mem::replace(&mut self.wire().has_noted, false);
        let mut connection = self.wire().line();
        for entry in others {
            if let Err(error) = entry.insert(connection).await {
                return (Err(error), connection.batch_execute("ROLLBACK").await);
            }
            is_prepared = true;
        }
        let (noted, ended) = {
            // tokio never makes it wait for its turn, so that what is prepared was sent when it has been polled once.
            let mut noting = pin!(unconstrained(last.insert(connection)));
            let noted = if is_prepared { noting.as_mut().now_or_never() } else { Some(noting.as_mut().await) };
            match noted {
                Some(Ok(())) => (Ok(()), connection.batch_execute("COMMIT").await),
                Some(Err(error)) => (Err(error), connection.batch_execute("ROLLBACK").await),
                // Both at once: an answer that nobody takes may hold up those behind it.
                None => join(noting, connection.batch_execute("COMMIT")).await,
            }
        };
        self.wire().has_noted = noted.is_ok();
        (noted, ended)
    }

    fn release(&mut self) {
        drop(self.connection.take());
    }

    /// Notes in its span how many statements it was, without those that begin and end it.
    fn told(&mut self) {
        self.span.record("db.statements", *self.statements.get_mut());
    }

    /// Has the audit log say something of it, once all else is done.
    pub(in crate::db) fn note(&mut self, entry: NewEntry) {
        *self.statements.get_mut() += 1;
        self.entries.push(entry);
    }

    /// Whether the audit log is to say something of it.
    pub(in crate::db) const fn is_noted(&self) -> bool {
        !self.entries.is_empty()
    }

    /// As [`Tx::conn`], for a statement that changes who somebody is or what they may do: what this process remembers of it is
    /// forgotten when the transaction is over.
    pub(in crate::db) fn altering(&mut self) -> &mut AsyncPgConnection {
        self.alters_standings = true;
        self.conn()
    }

    #[expect(clippy::expect_used, reason = "the connection is there until `end`, which consumes the transaction")]
    fn wire(&mut self) -> &mut Wire {
        self.connection.as_mut().expect("a transaction has its connection until it ends")
    }

    pub(in crate::db) fn conn(&mut self) -> &mut AsyncPgConnection {
        *self.statements.get_mut() += 1;
        self.wire().conn()
    }

    /// Does not wait, at its end, until what it wrote is on the disk: where PostgreSQL's own machine dies within about half a second,
    /// all of it is lost. For what tells of work in progress.
    ///
    /// # Errors
    /// A connection that is closed.
    pub fn may_be_lost(&mut self) -> Outcome<()> {
        // Nobody waits for its answer either. It can't be refused: everybody may set it.
        Ok(self.wire().send("SET LOCAL synchronous_commit = off")?)
    }

    /// As [`Tx::conn`], for statements that need nothing of each other and may be joined: each is sent without waiting for the
    /// answers to those before it. In which order they come is not said: one that is still to be prepared may come last.
    #[expect(clippy::expect_used, reason = "as above")]
    pub(in crate::db) fn line(&self) -> &AsyncPgConnection {
        self.statements.fetch_add(1, Ordering::Relaxed);
        self.connection.as_ref().expect("a transaction has its connection until it ends").line()
    }
}

/// Of what is done for nobody's request, a look for work every half second, there is no span.
fn span(mode: Mode, role: &'static str) -> Span {
    if !trace::is_traced(&Span::current()) {
        return Span::none();
    }
    let mode = match mode {
        Mode::Read => "read",
        Mode::Write => "write",
    };
    tracing::info_span!(
        target: trace::TARGET, "transaction", otel.kind = "client", db.system = "postgresql", db.operation.name = mode,
        db.role = role, db.statements = Empty,
    )
}

impl<V: Viewpoint> Tx<V> {
    /// The tenant that this transaction sees from, if it is not the platform's own.
    pub(in crate::db) fn viewpoint(&self) -> Option<TenantId> {
        V::tenant_of(self)
    }
}

impl Tx<Tenant> {
    /// The tenant that this transaction is bound to. Queries filter by it as well: the policies and the filter must
    /// each hold alone.
    #[must_use]
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "a tenant's transaction is only begun with a tenant"
    )]
    pub fn tenant(&self) -> TenantId {
        self.tenant.expect("a tenant's transaction has a tenant")
    }
}

impl<R> Drop for Tx<R> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            // Dropped in mid-transaction: out of the pool and closed, which makes PostgreSQL roll back.
            drop(PooledConnection::take(connection));
        }
        if self.alters_standings {
            self.standings.forget();
        }
    }
}
