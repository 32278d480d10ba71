//! What state a database is in, for whoever looks after it: asked in transactions that may only read, so nothing is changed and
//! nothing repaired. Must not judge: it says what is.

#![expect(clippy::disallowed_methods, reason = "asks the catalogue, which has no typed schema")]

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    QueryableByName, sql_query,
    sql_types::{Bool, Integer, Nullable, Text, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use secrecy::SecretString;
use tokio_postgres::config::Host;

use crate::db::{
    connect::Target,
    guardrail::{self, Login, OLDEST_SERVER},
    migrate::{self, Progress},
};

pub use crate::db::guardrail::{Danger, Gap};

/// The roles that the server takes for the length of a transaction.
const ROLES: &[&str] = &["frontdesk_tenant", "frontdesk_admin", "frontdesk_identity", "frontdesk_worker"];

/// What there is to say of a database, and of the login to it.
#[derive(Debug)]
pub struct Condition {
    /// The role that signs in.
    pub login: String,
    /// In which ways it could pass row-level security by.
    pub dangers: Vec<Danger>,
    /// It may make roles.
    pub makes_roles: bool,
    /// The roles that it may not take, though they are there.
    pub withheld: Vec<&'static str>,
    /// PostgreSQL's version, as `150004` for 15.4.
    pub version: i32,
    /// The text encoding.
    pub encoding: String,
    /// Connections that plain roles may have at once, all together.
    pub connections: i32,
    /// Why it takes no writes, in words that follow its name, where it takes none.
    pub unwritable: Option<&'static str>,
    /// What its clock says at the moment when this is given.
    pub now: DateTime<Utc>,
    /// By how much that may be wrong, either way: nobody knows how long the question took, and how long the answer.
    pub unsure: TimeDelta,
    /// Names of the hosts that it is reached at, with ports; none for a socket.
    pub hosts: Vec<(String, u16)>,
    /// What keeps others from reading along.
    pub cover: Cover,
    /// How far its tables are; `None` where the login may not read that.
    pub progress: Option<Progress>,
    /// It has tables of ours at all.
    pub is_migrated: bool,
    /// What tables leave open.
    pub gaps: Vec<Gap>,
}

impl Condition {
    /// It is older than the program can work with.
    #[must_use]
    pub fn is_too_old(&self) -> bool {
        self.version < OLDEST_SERVER
    }
}

/// What keeps others from reading along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cover {
    /// Nothing.
    Open,
    /// TLS, with whoever is at the other end.
    Encrypted,
    /// TLS, and the certificate at the other end is checked.
    Verified,
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum Unknown {
    /// The URL makes no sense.
    #[error("{0}")]
    Unreadable(String),
    /// No connection could be made.
    #[error("{0}")]
    Unreachable(String),
    /// A question was not answered.
    #[error("{0}")]
    Unanswered(String),
}

#[derive(QueryableByName)]
struct Facts {
    #[diesel(sql_type = Text)]
    encoding: String,
    #[diesel(sql_type = Integer)]
    connections: i32,
    #[diesel(sql_type = Bool)]
    is_encrypted: bool,
    /// None where there is no list of migrations.
    #[diesel(sql_type = Nullable<Bool>)]
    may_read_migrations: Option<bool>,
}

#[derive(QueryableByName)]
struct Time {
    #[diesel(sql_type = Timestamptz)]
    now: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct Noted {
    #[diesel(sql_type = Text)]
    version: String,
}

/// Looks at the database that `url` leads to, as the login that it names. `variable` is where the URL stands.
///
/// # Errors
/// [`Unknown`].
pub async fn look(variable: &str, url: &SecretString) -> Result<Condition, Unknown> {
    let target = Target::parse(variable, url).map_err(|error| Unknown::Unreadable(error.to_string()))?;
    let mut connection = target.connect().await.map_err(|error| Unknown::Unreachable(error.to_string()))?;
    let unanswered = |error: anyhow::Error| Unknown::Unanswered(format!("{error:#}"));
    ask(&mut connection, &target).await.map_err(unanswered)
}

async fn ask(connection: &mut AsyncPgConnection, target: &Target) -> anyhow::Result<Condition> {
    connection.batch_execute("BEGIN READ ONLY; SET LOCAL statement_timeout = 10000").await?;
    let login = Login::of(connection).await?;
    let facts: Facts = sql_query(
        "SELECT pg_encoding_to_char(encoding)::text AS encoding, \
                current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int \
                  - coalesce(current_setting('reserved_connections', true), '0')::int AS connections, \
                coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS is_encrypted, \
                has_table_privilege(to_regclass('public.__diesel_schema_migrations')::oid, 'SELECT') AS may_read_migrations \
         FROM pg_database WHERE datname = current_database()",
    )
    .get_result(connection)
    .await?;
    let noted: Option<Vec<Noted>> = match facts.may_read_migrations {
        None => Some(Vec::new()),
        Some(false) => None,
        Some(true) => Some(
            sql_query("SELECT version::text AS version FROM __diesel_schema_migrations ORDER BY 1")
                .load(connection)
                .await?,
        ),
    };
    let gaps = guardrail::gaps(connection).await?;
    let unwritable = guardrail::unwritable(connection).await?;
    // Asked by itself, and taken to be of half-way to the answer: what took long would look like a clock that is behind.
    let asked = Instant::now();
    let time: Time = sql_query("SELECT clock_timestamp() AS now").get_result(connection).await?;
    let told = asked + asked.elapsed() / 2;
    connection.batch_execute("COMMIT").await?;
    let noted = noted.map(|noted| noted.into_iter().map(|row| row.version).collect::<Vec<_>>());
    let is_migrated = facts.may_read_migrations.is_some();
    Ok(Condition {
        dangers: login.dangers(),
        makes_roles: login.makes_roles,
        withheld: if is_migrated { withheld(connection).await? } else { Vec::new() },
        version: login.version,
        login: login.name,
        encoding: facts.encoding,
        connections: facts.connections,
        unwritable,
        now: time.now + told.elapsed(),
        unsure: TimeDelta::from_std(told - asked).unwrap_or(TimeDelta::MAX),
        hosts: hosts(target),
        cover: match (facts.is_encrypted, target.verifies) {
            (false, _) => Cover::Open,
            (true, false) => Cover::Encrypted,
            (true, true) => Cover::Verified,
        },
        progress: noted.map(|noted| migrate::progress(&noted)).transpose()?,
        is_migrated,
        gaps,
    })
}

/// The roles that the login may not take: each is tried, since what it takes for that differs from version to version.
async fn withheld(connection: &mut AsyncPgConnection) -> anyhow::Result<Vec<&'static str>> {
    let mut withheld = Vec::new();
    for role in ROLES {
        let taken = connection.batch_execute(&format!("BEGIN READ ONLY; SET LOCAL ROLE {role}")).await;
        connection.batch_execute("ROLLBACK").await?;
        if taken.is_err() {
            withheld.push(*role);
        }
    }
    Ok(withheld)
}

fn hosts(target: &Target) -> Vec<(String, u16)> {
    let config = target.config();
    let port = |at: usize| config.get_ports().get(at).or(config.get_ports().first()).copied().unwrap_or(5432);
    let named = config.get_hosts().iter().enumerate().filter_map(|(at, host)| match host {
        Host::Tcp(name) => Some((name.clone(), port(at))),
        Host::Unix(_) => None,
    });
    named.collect()
}
