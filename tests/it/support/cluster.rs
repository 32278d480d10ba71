//! One private PostgreSQL for all tests of a run, and a fresh database for each, copied from a migrated template.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use frontdesk::db::{
    DbSettings,
    embedded::{Durability, EmbeddedPg},
    migrate::{self, OpenSettings},
};
use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OnceCell;

use super::{pooler::Pooler, spent};

struct Cluster {
    postgres: EmbeddedPg,
    pooler: Option<Pooler>,
}

static CLUSTER: OnceLock<Cluster> = OnceLock::new();
static TEMPLATE: OnceCell<String> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(0);

fn cluster() -> &'static Cluster {
    CLUSTER.get_or_init(|| {
        frontdesk::tokens::install_provider();
        // Outside the checkout: PostgreSQL's own user must get there. One for each checkout, which may be tested at once.
        let mut checkout = DefaultHasher::new();
        env!("CARGO_MANIFEST_DIR").hash(&mut checkout);
        let name = format!("frontdesk-tests-{}-{:x}", nix::unistd::geteuid(), checkout.finish());
        let folder = PathBuf::from("/tmp").join(name);
        let postgres =
            EmbeddedPg::start(&folder, Durability::Scratch, programs().as_deref()).expect("a private PostgreSQL");
        let pooler = Pooler::start(&folder.join("s").display().to_string());
        Cluster { postgres, pooler }
    })
}

/// Where PostgreSQL's programs are, if somebody says so.
pub fn programs() -> Option<PathBuf> {
    std::env::var_os("PG_BIN_DIR").filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

/// The superuser's connection string for a database.
pub fn owner_url(database: &str) -> SecretString {
    let url = cluster().postgres.url.expose_secret().replace("dbname=postgres", &format!("dbname={database}"));
    url.into()
}

/// The plain login role's; through the pooler, where there is one.
pub fn login_url(database: &str) -> SecretString {
    if let Some(pooler) = &cluster().pooler {
        return pooler.url(database).into();
    }
    owner_url(database).expose_secret().replace("user=postgres", "user=frontdesk_app").into()
}

/// A connection of the superuser, for looking behind the scenes.
pub async fn owner(database: &str) -> tokio_postgres::Client {
    connect(owner_url(database).expose_secret()).await
}

/// A connection of the plain login role.
pub async fn login(database: &str) -> tokio_postgres::Client {
    connect(login_url(database).expose_secret()).await
}

async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("connect");
    #[expect(clippy::disallowed_methods, reason = "a test's helper has no log context to keep")]
    tokio::spawn(connection);
    client
}

/// Waits until somebody in the database waits for a lock.
pub async fn until_somebody_waits(database: &str) {
    let watcher = owner(database).await;
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while watcher.query_one(waiting, &[]).await.expect("count").get::<_, i64>(0) == 0 {
        tokio::task::yield_now().await;
    }
}

/// Takes a database away: whoever is in it is thrown out, and nobody gets in.
pub async fn take_away(database: &str) {
    let postgres = owner("postgres").await;
    // One after the other: those who are thrown out come back at once, and would find the door open still.
    postgres.batch_execute(&format!("ALTER DATABASE {database} ALLOW_CONNECTIONS false")).await.expect("shut");
    let cut = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'");
    postgres.batch_execute(&cut).await.expect("cut");
    until_nobody_is_in(database).await;
}

/// Gives it back.
pub async fn give_back(database: &str) {
    let mend = format!("ALTER DATABASE {database} ALLOW_CONNECTIONS true");
    owner("postgres").await.batch_execute(&mend).await.expect("mended");
}

/// An empty database.
pub async fn empty_database() -> String {
    create("").await
}

/// A migrated database of one's own.
pub async fn database() -> String {
    copy_of(TEMPLATE.get_or_init(make_template).await).await
}

/// A copy of a database that nobody uses any more.
pub async fn copy_of(database: &str) -> String {
    create(&format!("TEMPLATE {database} STRATEGY file_copy")).await
}

async fn create(how: &str) -> String {
    let name = format!("t_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
    owner("postgres").await.batch_execute(&format!("CREATE DATABASE {name} {how}")).await.expect("create");
    spent::with_this_test(&name);
    name
}

async fn make_template() -> String {
    let postgres = owner("postgres").await;
    // What earlier runs left; a run that goes on beside us keeps its own.
    let left = "SELECT datname FROM pg_database d WHERE datname LIKE 't\\_%' \
                AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datname = d.datname)";
    for row in postgres.query(left, &[]).await.expect("list") {
        let name: String = row.get(0);
        let run = name.split('_').nth(1).and_then(|pid| pid.parse().ok());
        if !run.is_some_and(is_alive) {
            let _ = postgres.batch_execute(&format!("DROP DATABASE IF EXISTS {name}")).await;
        }
    }
    let name = empty_database().await;
    spent::not_with_this_test(&name);
    let db = migrate::open(&open_settings(&name)).await.expect("migrate the template");
    db.close();
    until_nobody_is_in(&name).await;
    name
}

/// Whether there is such a process; one that is somebody else's counts.
fn is_alive(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None::<Signal>) != Err(Errno::ESRCH)
}

/// Waits until no connection to a database is left: a template must have none.
pub async fn until_nobody_is_in(database: &str) {
    let postgres = owner("postgres").await;
    let count = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1";
    while postgres.query_one(count, &[&database]).await.expect("count").get::<_, i64>(0) > 0 {
        tokio::task::yield_now().await;
    }
}

/// Development's way in: the superuser's URL, from which a plain role is made.
pub fn open_settings(database: &str) -> OpenSettings {
    OpenSettings {
        db: DbSettings { url: owner_url(database), pool_size: 8 },
        owner_url: None,
        is_production: false,
        migrate: true,
        lock_wait: migrate::LOCK_WAIT,
    }
}
