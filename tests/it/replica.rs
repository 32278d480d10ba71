//! A copy of the database that is a little behind: queries are read from it, and whoever has just written reads what they wrote.

use std::{
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use frontdesk::db::{
    DbSettings,
    embedded::{Durability, EmbeddedPg},
    migrate::{self, OpenSettings},
};
use nix::unistd::{User, geteuid};
use secrecy::ExposeSecret;

use crate::support::{Actor, Gateway, Plan, cluster, redis::Redis};

/// A database of its own, and its copy, which follows it as PostgreSQL's copies do.
struct Servers {
    folder: PathBuf,
    primary: EmbeddedPg,
    copy: Option<EmbeddedPg>,
}

impl Servers {
    async fn start() -> Self {
        frontdesk::tokens::install_provider();
        let folder = PathBuf::from("/tmp").join(format!("frontdesk-replica-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let primary = EmbeddedPg::start(&folder.join("p"), Durability::Scratch, cluster::programs().as_deref())
            .expect("a database");
        let settings = OpenSettings {
            db: DbSettings { url: primary.url.clone(), pool_size: 2 },
            owner_url: None,
            is_production: false,
            migrate: true,
            lock_wait: migrate::LOCK_WAIT,
        };
        migrate::open(&settings).await.expect("migrated").close();
        // Made as the folder's owner, by the programs of the same version.
        let copy = EmbeddedPg::start(&folder.join("c"), Durability::Scratch, cluster::programs().as_deref())
            .expect("a folder for the copy");
        drop(copy);
        std::fs::remove_dir_all(folder.join("c/data")).expect("an empty folder");
        let mut backup = Command::new(program("pg_basebackup"));
        backup.arg("-h").arg(folder.join("p/s")).args(["-U", "postgres", "-R", "-c", "fast", "-D"]);
        backup.arg(folder.join("c/data"));
        if geteuid().is_root() {
            let user = User::from_name("postgres").expect("users").expect("Debian's user of PostgreSQL");
            backup.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        let made = backup.output().expect("pg_basebackup");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let copy = Self::start_copy(&folder);
        Self { folder, primary, copy: Some(copy) }
    }

    fn start_copy(folder: &Path) -> EmbeddedPg {
        EmbeddedPg::start(&folder.join("c"), Durability::Scratch, cluster::programs().as_deref()).expect("a copy")
    }

    fn login(&self, which: &str) -> String {
        format!("host={} user=frontdesk_app dbname=postgres sslmode=disable", self.folder.join(which).display())
    }

    async fn at_primary(&self, statement: &str) {
        run(self.primary.url.expose_secret(), statement).await;
    }

    async fn at_copy(&self, statement: &str) {
        run(self.copy.as_ref().expect("there").url.expose_secret(), statement).await;
    }

    /// Waits until the copy has come as far as the database is now.
    async fn until_caught_up(&self) {
        let primary = connect(self.primary.url.expose_secret()).await;
        let copy = connect(self.copy.as_ref().expect("there").url.expose_secret()).await;
        let far = "SELECT pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint";
        // What was committed without waiting for the disk is there with the next that waits.
        let waits = "SET synchronous_commit = on; SELECT pg_logical_emit_message(true, 'test', 'here')";
        primary.batch_execute(waits).await.expect("written");
        let far: i64 = primary.query_one(far, &[]).await.expect("a place").get(0);
        let come = "SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint";
        while copy.query_one(come, &[]).await.expect("a place").get::<_, i64>(0) < far {
            tokio::task::yield_now().await;
        }
    }

    fn plan(&self, redis: Option<&Redis>, database: Option<&str>) -> Plan {
        let settings = vec![("DATABASE_URL", self.login("p/s")), ("DATABASE_REPLICA_URL", self.login("c/s"))];
        Plan { settings, redis: redis.map(Redis::url), database: database.map(str::to_owned), ..Plan::default() }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.copy = None;
        self.primary.stop();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn program(name: &str) -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> =
        folders.map(|folder| folder.path().join("bin").join(name)).filter(|path| path.exists()).collect();
    found.sort();
    found.pop().unwrap_or_else(|| PathBuf::from(name))
}

async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("connect");
    #[expect(clippy::disallowed_methods, reason = "a test's helper has no log context to keep")]
    tokio::spawn(connection);
    client
}

async fn run(url: &str, statement: &str) {
    connect(url).await.batch_execute(statement).await.expect("done");
}

/// Reads that the copy served, and did not, on one node.
async fn reads(node: &Gateway) -> (u64, u64, u64) {
    let text = node.http.get(node.url("/metrics")).send().await.expect("an answer").text().await.expect("text");
    let of = |outcome: &str| {
        let line = format!("frontdesk_replica_reads_total{{outcome=\"{outcome}\"}} ");
        text.lines().find_map(|text| text.strip_prefix(&line)).expect("a count").parse().expect("a number")
    };
    (of("served"), of("behind"), of("away"))
}

async fn leads(actor: &Actor<'_>) -> usize {
    actor.data("{ leads { nodes { id } } }").await["leads"]["nodes"].as_array().expect("a list").len()
}

const LEAD: &str = r#"mutation { createLead(input: { name: "Ann" }) { id name } }"#;

#[tokio::test(flavor = "multi_thread")]
async fn queries_are_read_from_a_copy_and_nobody_misses_what_they_wrote() {
    let servers = Servers::start().await;
    let mut redis = Redis::start().await;
    let one = Gateway::planned(servers.plan(Some(&redis), None)).await;
    let two = Gateway::planned(servers.plan(Some(&redis), Some(&one.database))).await;
    let (acme, rival) = (one.tenant("acme").await, one.tenant("rival").await);
    let (ann, sam, eve) = (acme.admin().await, acme.staff().await, rival.admin().await);
    servers.until_caught_up().await;
    // Both have nothing that the copy lacks: it serves them.
    assert_eq!((leads(&ann).await, leads(&eve).await), (0, 0));
    assert_eq!(reads(&one).await, (2, 0, 0));
    // The copy stands still. Who writes reads what they wrote, and so does their colleague, on every node; others go on reading
    // the copy: what came past the server is not seen there yet.
    servers.at_copy("SELECT pg_wal_replay_pause()").await;
    ann.data(LEAD).await;
    assert_eq!((leads(&ann).await, leads(&sam).await), (1, 1));
    assert_eq!((leads(&ann.at(two.address)).await, leads(&sam.at(two.address)).await), (1, 1));
    assert_eq!((reads(&one).await, reads(&two).await), ((2, 2, 0), (0, 2, 0)));
    let past = "INSERT INTO leads (tenant_id, name, source, status, created_at, updated_at) \
                SELECT id, 'Past', 'WEB', 'NEW', now(), now() FROM tenants WHERE subdomain = 'rival'";
    servers.at_primary(past).await;
    assert_eq!((leads(&eve).await, leads(&eve.at(two.address)).await), (0, 0));
    assert_eq!((reads(&one).await, reads(&two).await), ((3, 2, 0), (1, 2, 0)));
    // A mutation reads what it works with from the database itself.
    let lead = eve.data(LEAD).await["createLead"]["id"].to_string();
    eve.data(&format!("mutation {{ updateLead(id: {lead}, input: {{ name: \"Eve\" }}) {{ name }} }}")).await;
    assert_eq!(leads(&eve).await, 2);
    // A sign-in is seen too: its writer has no tenant yet.
    two.sign_in("admin@acme.example").await.data("{ users { nodes { lastLoginAt } } }").await;
    // It goes on, and serves all.
    servers.at_copy("SELECT pg_wal_replay_resume()").await;
    servers.until_caught_up().await;
    let before = reads(&two).await;
    assert_eq!((leads(&ann.at(two.address)).await, leads(&eve.at(two.address)).await), (1, 2));
    assert_eq!(reads(&two).await, (before.0 + 2, before.1, before.2));
    // A Redis that has forgotten who wrote knows nothing of other nodes' writes: the database itself is asked, once.
    redis.command(&["FLUSHALL"]).await;
    assert_eq!(leads(&eve.at(two.address)).await, 2);
    assert_eq!(reads(&two).await, (before.0 + 2, before.1 + 1, before.2));
    servers.until_caught_up().await;
    assert_eq!(leads(&eve.at(two.address)).await, 2);
    assert_eq!(reads(&two).await, (before.0 + 3, before.1 + 1, before.2));
    // They can't be known while it is away either.
    redis.stop();
    assert_eq!(leads(&eve.at(two.address)).await, 2);
    assert_eq!(reads(&two).await, (before.0 + 3, before.1 + 2, before.2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_away_is_missed_by_nobody() {
    // Nothing listens there.
    is_missed_by_nobody("host=/nowhere user=x dbname=x sslmode=disable").await;
    // What listens there never says a word.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = silent.local_addr().expect("an address").port();
    is_missed_by_nobody(&format!("host=127.0.0.1 port={port} user=x dbname=x sslmode=disable")).await;
}

async fn is_missed_by_nobody(copy: &str) {
    let settings = vec![("DATABASE_REPLICA_URL", copy.to_owned())];
    let gateway = Gateway::planned(Plan { settings, ..Plan::default() }).await;
    let admin = gateway.tenant("acme").await.admin().await;
    admin.data(LEAD).await;
    assert_eq!(leads(&admin).await, 1);
    let (served, behind, away) = reads(&gateway).await;
    assert_eq!((served, behind), (0, 0));
    assert!(away > 0);
    let ready = gateway.http.get(gateway.url("/readyz")).send().await.expect("an answer");
    assert_eq!(ready.status(), 200, "it serves all the same");
    let ready: serde_json::Value = ready.json().await.expect("JSON");
    assert_eq!((&ready["replica"], &ready["degraded"]), (&"unreachable".into(), &true.into()));
    let shown = gateway.http.get(gateway.url("/metrics")).send().await.expect("an answer").text().await.expect("text");
    assert!(shown.contains("frontdesk_degraded{what=\"replica\"} 1\n"), "{shown}");
}
