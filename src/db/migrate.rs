//! Makes a database ready: migrations under a lock, the plain login role, and the start-up check. Must not know
//! what is stored.

use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use diesel::{QueryableByName, migration::MigrationSource, pg::Pg, sql_query, sql_types::Text};
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use secrecy::SecretString;

use crate::{
    db::{
        Db, DbSettings,
        connect::Target,
        guardrail::{self, Danger, Login},
        login::{LOCK, make_login, plain_login},
        same,
    },
    kernel::failure::Outcome,
};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");
/// How often one migration tries to get at a table that somebody holds.
const LOCK_TRIES: usize = 3;
/// And how long each try takes.
pub const LOCK_WAIT: Duration = Duration::from_secs(5);
/// How long `DATABASE_URL` may take to be compared with the owner's.
const PATIENCE: Duration = Duration::from_secs(5);

/// What to make ready, and how strictly.
#[derive(Debug, Clone)]
pub struct OpenSettings {
    /// The login role's URL (`DATABASE_URL`).
    pub db: DbSettings,
    /// The owner's URL (`DATABASE_PUBLIC_URL`), where it differs: migrations run with it.
    pub owner_url: Option<SecretString>,
    /// Refuse a login that could pass row-level security by, instead of making a plain one.
    pub is_production: bool,
    /// Run pending migrations.
    pub migrate: bool,
    /// How long a migration waits for a table, each time that it tries ([`LOCK_WAIT`]).
    pub lock_wait: Duration,
}

#[derive(QueryableByName)]
struct Cluster {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = diesel::sql_types::Bool)]
    is_copy: bool,
}

/// Looks at a copy (`DATABASE_REPLICA_URL`): whether it is one of this database, and by which login. Gives why one can't be reached
/// now; it may be later.
///
/// # Errors
/// For another database; in production, for one that follows none, and a login that could pass row-level security by.
#[expect(clippy::disallowed_methods, reason = "asks the server for its name, which is in no schema")]
pub async fn check_replica(
    database: &SecretString,
    copy: &SecretString,
    is_production: bool,
) -> anyhow::Result<Option<String>> {
    let question = "SELECT system_identifier AS id, pg_is_in_recovery() AS is_copy FROM pg_control_system()";
    let mut connection = match Target::parse("DATABASE_REPLICA_URL", copy)?.connect().await {
        Ok(connection) => connection,
        Err(error) => return Ok(Some(error.to_string())),
    };
    let there: Cluster = sql_query(question).get_result(&mut connection).await?;
    let dangers = Login::inspect(&mut connection).await?.dangers();
    let mut connection = connect(&Target::parse("DATABASE_URL", database)?, "DATABASE_URL").await?;
    let here: Cluster = sql_query(question).get_result(&mut connection).await?;
    ensure!(here.id == there.id, "DATABASE_REPLICA_URL names another database than a copy of DATABASE_URL's");
    ensure!(there.is_copy || !is_production, "DATABASE_REPLICA_URL names a server that follows none");
    ensure!(
        dangers.is_empty() || !is_production,
        "DATABASE_REPLICA_URL signs in as a role that could pass row-level security by: {}. Use the login of DATABASE_URL",
        listed(&dangers)
    );
    Ok(None)
}

/// Opens the database for serving: migrated, signed in as a plain role, every table guarded.
///
/// # Errors
/// In words for an operator: what is wrong with the login, the schema or the connection, and what to do.
pub async fn open(settings: &OpenSettings) -> anyhow::Result<Db> {
    let target = Target::parse("DATABASE_URL", &settings.db.url)?;
    // Before anybody signs in with DATABASE_URL: it makes that login, and gives it its password.
    if let Some(owner) = &settings.owner_url
        && settings.migrate
    {
        migrate_as_owner(owner, &target, settings.lock_wait).await?;
    }
    let mut connection = connect(&target, "DATABASE_URL").await?;
    let login = Login::inspect(&mut connection).await?;
    let dangers = login.dangers();
    let mut served = settings.db.clone();
    if settings.owner_url.is_none() {
        if settings.is_production {
            ensure!(dangers.is_empty(), refusal(&login, &dangers));
        } else if login.makes_roles {
            if settings.migrate {
                run(&target, "DATABASE_URL", settings.lock_wait).await?;
            }
            served.url = plain_login(&target, &settings.db.url, &mut connection).await?;
        }
    }
    let db = Db::new(&served)?;
    check(&db, settings.is_production).await?;
    Ok(db)
}

/// Migrates with the owner's URL, and makes or mends the plain login role that `DATABASE_URL` names.
///
/// # Errors
/// In words for an operator.
async fn migrate_as_owner(owner: &SecretString, served: &Target, lock_wait: Duration) -> anyhow::Result<()> {
    let (owner, mut connection) = as_owner(owner, served).await?;
    run(&owner, "DATABASE_PUBLIC_URL", lock_wait).await?;
    let login = served.config();
    let Some(name) = login.get_user().filter(|name| owner.config().get_user() != Some(*name)) else { return Ok(()) };
    let password = login.get_password().map(String::from_utf8_lossy);
    make_login(&mut connection, name, password.as_deref()).await
}

/// The owner's way in. Before anything is changed it is seen to be fit, and to lead where `DATABASE_URL` does, as far as somebody can
/// sign in there: its login may be one that is still to be made.
async fn as_owner(owner: &SecretString, served: &Target) -> anyhow::Result<(Target, AsyncPgConnection)> {
    let owner = Target::parse("DATABASE_PUBLIC_URL", owner)?;
    let mut connection = connect(&owner, "DATABASE_PUBLIC_URL").await?;
    Login::inspect(&mut connection).await?;
    if let Ok(Ok(mut other)) = tokio::time::timeout(PATIENCE, served.connect()).await {
        ensure!(
            same::lead_to_one(&mut connection, &mut other).await?,
            "DATABASE_PUBLIC_URL and DATABASE_URL lead to different databases. Nothing was changed; name the same host and \
             database in both"
        );
    }
    Ok((owner, connection))
}

/// `frontdesk migrate`: with the owner's URL where one is given, else with `DATABASE_URL` itself.
///
/// # Errors
/// In words for an operator.
pub async fn migrate(settings: &OpenSettings) -> anyhow::Result<()> {
    let target = Target::parse("DATABASE_URL", &settings.db.url)?;
    match &settings.owner_url {
        Some(owner) => migrate_as_owner(owner, &target, settings.lock_wait).await,
        None => run(&target, "DATABASE_URL", settings.lock_wait).await,
    }
}

/// Takes back the newest `steps` migrations: none, where fewer have run.
///
/// # Errors
/// When a migration can't be taken back.
pub async fn revert(settings: &OpenSettings, steps: usize) -> anyhow::Result<()> {
    let served = Target::parse("DATABASE_URL", &settings.db.url)?;
    let (target, name) = match &settings.owner_url {
        Some(owner) => (as_owner(owner, &served).await?.0, "DATABASE_PUBLIC_URL"),
        None => (served, "DATABASE_URL"),
    };
    locked(&target, name, settings.lock_wait, move |harness| {
        let failed = |error| anyhow!("looking which migrations have run: {error}");
        let ran = harness.applied_migrations().map_err(failed)?.len();
        ensure!(steps <= ran, "{steps} migrations can't be taken back, since {ran} have run. Nothing was done");
        for _ in 0..steps {
            patiently("taking back a migration", || harness.revert_last_migration(MIGRATIONS))?;
        }
        Ok(())
    })
    .await
}

async fn run(target: &Target, name: &str, lock_wait: Duration) -> anyhow::Result<()> {
    locked(target, name, lock_wait, |harness| {
        let failed = |error| anyhow!("migrating: {error}");
        while harness.has_pending_migration(MIGRATIONS).map_err(failed)? {
            let version = patiently("migrating", || Ok(harness.run_next_migration(MIGRATIONS)?.to_string()))?;
            tracing::info!(%version, "migrated");
        }
        Ok(())
    })
    .await
}

/// Works on the tables as `target` signs in, whose URL stands in the variable `name`, while nobody else does.
async fn locked(
    target: &Target,
    name: &str,
    lock_wait: Duration,
    work: impl FnOnce(&mut AsyncMigrationHarness<AsyncPgConnection>) -> anyhow::Result<()> + Send + 'static,
) -> anyhow::Result<()> {
    let mut connection = connect(target, name).await?;
    ensure!(
        guardrail::may_migrate(&mut connection).await?,
        "{name} signs in as `{}`, which may not change the tables: give their owner's URL as DATABASE_PUBLIC_URL",
        target.config().get_user().unwrap_or_default()
    );
    connection.batch_execute(&format!("SELECT pg_advisory_lock({LOCK})")).await?;
    // Only now: another node's migrations may take as long as they like.
    connection.batch_execute(&format!("SET lock_timeout = {}", lock_wait.as_millis())).await?;
    // The lock ends with the connection, also when the work fails. That blocks its thread: on one of its own, so that whoever waits for
    // it hears of other things.
    let done = tokio::task::spawn_blocking(move || work(&mut AsyncMigrationHarness::new(connection)));
    done.await.context("migrating")?
}

/// Takes a step, again where somebody held a table that it changes. Whoever comes to that table meanwhile waits behind it, so it
/// does not wait for long at a time, and lets them by between two tries.
fn patiently<T>(doing: &str, mut step: impl FnMut() -> diesel::migration::Result<T>) -> anyhow::Result<T> {
    for _ in 0..LOCK_TRIES {
        match step() {
            Err(error) if error.to_string().contains("lock timeout") => {
                tracing::warn!(%error, "somebody holds a table that a migration changes");
            }
            done => return done.map_err(|error| anyhow!("{doing}: {error}")),
        }
    }
    bail!(
        "{doing}: somebody holds a table that it changes, for example a dump that is being taken. Nothing of this one was \
         done; try again when that is over"
    )
}

async fn connect(target: &Target, name: &str) -> anyhow::Result<AsyncPgConnection> {
    target.connect().await.map_err(|error| anyhow!("can't connect to {name}: {error}"))
}

fn refusal(login: &Login, dangers: &[Danger]) -> String {
    format!(
        "DATABASE_URL signs in as `{}`, which row-level security can't hold: {}.\n\
         Give that URL as DATABASE_PUBLIC_URL instead (migrations run with it), and in DATABASE_URL name a plain role, \
         for example postgres://frontdesk_app:<password>@host/database. `frontdesk migrate` makes that role when it \
         is not there yet.",
        login.name,
        listed(dangers)
    )
}

fn listed(dangers: &[Danger]) -> String {
    dangers.iter().map(|danger| danger.what).collect::<Vec<_>>().join("; ")
}

async fn check(db: &Db, is_production: bool) -> anyhow::Result<()> {
    let mut wire = db.first().await.context("can't connect with the plain login role")?;
    let connection = wire.conn();
    let login = Login::inspect(connection).await?;
    let dangers = login.dangers();
    if !dangers.is_empty() {
        if is_production {
            bail!(refusal(&login, &dangers));
        }
        bail!("the login role `{}` could pass row-level security by: {}", login.name, listed(&dangers));
    }
    let pending = pending(connection).await?;
    ensure!(
        pending.is_empty(),
        "the database lacks migrations ({}); run `frontdesk migrate` with the owner's URL in DATABASE_PUBLIC_URL",
        pending.join(", ")
    );
    let open = guardrail::unguarded_tables(connection).await?;
    ensure!(open.is_empty(), "tables without forced row-level security: {}", open.join(", "));
    Ok(())
}

#[derive(QueryableByName)]
struct Applied {
    #[diesel(sql_type = Text)]
    version: String,
}

/// Versions that this program has and the database lacks.
#[expect(clippy::disallowed_methods, reason = "diesel's own table, which has no typed schema here")]
async fn pending(connection: &mut AsyncPgConnection) -> anyhow::Result<Vec<String>> {
    let applied = sql_query("SELECT version::text AS version FROM __diesel_schema_migrations")
        .load::<Applied>(connection)
        .await
        .context("the database has not been migrated; run `frontdesk migrate`")?;
    let applied: Vec<_> = applied.into_iter().map(|row| row.version).collect();
    Ok(known()?.into_iter().map(|(version, _)| version).filter(|version| !applied.contains(version)).collect())
}

/// The migrations of this program: version and name, the oldest first.
fn known() -> anyhow::Result<Vec<(String, String)>> {
    let mut known: Vec<_> = MigrationSource::<Pg>::migrations(&MIGRATIONS)
        .map_err(|error| anyhow!("reading the embedded migrations: {error}"))?
        .iter()
        .map(|migration| (migration.name().version().to_string(), migration.name().to_string()))
        .collect();
    known.sort();
    Ok(known)
}

/// How far a database's tables are along.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Names of this program's migrations that the database lacks, the oldest first.
    pub pending: Vec<String>,
    /// Versions in the database that this program does not know: a newer one was here.
    pub unknown: Vec<String>,
}

/// How far the database is, by the versions that it has noted.
pub(in crate::db) fn progress(noted: &[String]) -> anyhow::Result<Progress> {
    let known = known()?;
    let unknown = noted.iter().filter(|version| !known.iter().any(|(own, _)| own == *version)).cloned().collect();
    let pending = known.into_iter().filter(|(version, _)| !noted.contains(version)).map(|(_, name)| name).collect();
    Ok(Progress { pending, unknown })
}

/// What `/readyz` tells of the database, which answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    /// Why it takes no writes, in words that follow its name, where it takes none.
    pub unwritable: Option<&'static str>,
    /// It has every migration of this program.
    pub is_migrated: bool,
}

/// For `/readyz`: whether the database can be worked with. May be left off at any time.
///
/// # Errors
/// `UPSTREAM_UNAVAILABLE` when it is away.
pub async fn readiness(db: &Db) -> Outcome<Readiness> {
    let mut wire = db.checkout().await?;
    wire.is_asked = true;
    let is_migrated = pending(wire.conn()).await?.is_empty();
    let unwritable = guardrail::unwritable(wire.conn()).await?;
    // Nor is one used again that takes no writes: the next may lead to a server that does, or be one that may write by then.
    wire.is_asked = unwritable.is_some();
    Ok(Readiness { unwritable, is_migrated })
}
