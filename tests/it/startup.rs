//! The program itself, as a person starts it.

use std::path::PathBuf;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use secrecy::ExposeSecret;
use tokio::time::timeout;

use crate::support::{
    cluster,
    process::{Logged, PATIENCE, Server, frontdesk},
};

const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

async fn run(arguments: &[&str], settings: &[(&str, &str)]) -> (bool, String, String) {
    let output = timeout(PATIENCE, frontdesk(arguments, settings).output()).await.expect("in time").expect("ran");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.success(), text(output.stdout), text(output.stderr))
}

/// A data folder of one's own, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = PathBuf::from("/tmp").join(format!("fd-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
    fn text(&self) -> &str {
        self.0.to_str().expect("text")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// How many tables a database has.
async fn tables(database: &str) -> i64 {
    let count = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'";
    cluster::owner(database).await.query_one(count, &[]).await.expect("count").get(0)
}

fn login(email: &str, password: &str) -> String {
    format!(
        "mutation {{ login(input: {{ email: \"{email}\", password: \"{password}\" }}) {{ user {{ role tenant {{ subdomain }} }} }} }}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_makes_everything_and_a_second_finds_it_there() {
    let folder = Folder::new("first");
    let settings = [("FRONTDESK_DATA_DIR", folder.text()), ("PORT", "0")];
    let server = Server::start(&settings).await;
    let password = server.word("Administrator", "password").expect("printed once");
    let demo = server.word("brightwaves", "password").expect("printed once");
    let seen = server.ask(&login("admin@frontdesk.example", &password)).await;
    assert_eq!(seen["data"]["login"]["user"]["role"], "ADMIN", "{seen}");
    let seen = server.ask(&login("admin@brightwaves.example", &demo)).await;
    assert_eq!(seen["data"]["login"]["user"]["tenant"]["subdomain"], "brightwaves", "{seen}");
    // `migrate` beside a running server joins its database.
    let (ok, said, error) = run(&["migrate"], &settings).await;
    assert!(ok && said == "The database is up to date.\n", "{said}{error}");
    server.stop().await;
    let again = Server::start(&settings).await;
    assert!(!again.greeting.contains("password"), "{}", again.greeting);
    let seen = again.ask(&login("admin@frontdesk.example", &password)).await;
    assert_eq!(seen["data"]["login"]["user"]["role"], "ADMIN", "{seen}");
    // Killed without a word, the database goes down with it, and the next start finds its data.
    let mut again = again;
    again.child.kill().await.expect("killed");
    let third = Server::start(&settings).await;
    let seen = third.ask(&login("admin@cornerbikes.example", &demo)).await;
    assert_eq!(seen["data"]["login"]["user"]["tenant"]["subdomain"], "cornerbikes", "{seen}");
    third.stop().await;
    // Where there is a /proc to look into: macOS has none.
    let left = std::fs::read_dir("/proc").into_iter().flatten().flatten().filter(|entry| {
        std::fs::read(entry.path().join("cmdline"))
            .is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(folder.text()) && bytes.starts_with(b"/usr"))
    });
    assert_eq!(left.count(), 0, "no server is left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn production_refuses_a_superuser_and_says_what_to_do() {
    let database = cluster::database().await;
    let owner = cluster::owner_url(&database);
    let mut settings = vec![
        ("ENVIRONMENT", "production"),
        ("JWT_SECRET_KEY", KEY),
        ("SECRET_KEY", KEY),
        ("PORT", "0"),
        ("HOST", "127.0.0.1"),
        ("DATABASE_URL", owner.expose_secret()),
    ];
    let (ok, _, error) = run(&["serve"], &settings).await;
    assert!(!ok);
    insta::assert_snapshot!(error.lines().filter(|line| !line.contains("INFO")).collect::<Vec<_>>().join("\n"), @"
    frontdesk: DATABASE_URL signs in as `postgres`, which row-level security can't hold: it is a superuser.
    Give that URL as DATABASE_PUBLIC_URL instead (migrations run with it), and in DATABASE_URL name a plain role, for example postgres://frontdesk_app:<password>@host/database. `frontdesk migrate` makes that role when it is not there yet.
    ");
    // As it says: the owner's URL for migrations, a plain role for serving.
    let login = cluster::login_url(&database);
    settings.pop();
    settings.extend([("DATABASE_PUBLIC_URL", owner.expose_secret()), ("DATABASE_URL", login.expose_secret())]);
    settings.extend([
        ("ADMIN_EMAIL", "root@example.com"),
        ("ADMIN_PASSWORD", "a long password"),
        ("PUBLIC_URL", "http://127.0.0.1"),
    ]);
    let (ok, said, error) = run(&["migrate"], &settings).await;
    assert!(ok, "{said}{error}");
    // Nothing can be migrated by the plain role.
    let alone: Vec<_> = settings.iter().copied().filter(|(name, _)| *name != "DATABASE_PUBLIC_URL").collect();
    for command in [&["migrate"][..], &["migrate", "--down", "1"]] {
        let (ok, _, error) = run(command, &alone).await;
        let said = "frontdesk: DATABASE_URL signs in as `frontdesk_app`, which may not change the tables: give their owner's URL as \
                    DATABASE_PUBLIC_URL\n";
        assert!(!ok && error.ends_with(said), "{error}");
    }
    let (ok, said, error) = run(&["seed-admin"], &settings).await;
    assert!(ok && said.contains("root@example.com"), "{said}{error}");
    let (ok, _, error) = run(&["seed-admin"], &settings).await;
    assert!(!ok && error.contains("exists already"), "{error}");
    let server = Server::start(&settings).await;
    assert!(!server.greeting.contains("password"), "{}", server.greeting);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_with_the_owners_url_makes_the_login_that_it_serves_with() {
    let database = cluster::empty_database().await;
    let owner = cluster::owner_url(&database);
    let role = format!("first_start_{}", std::process::id());
    let plain = owner.expose_secret().replace("user=postgres", &format!("user={role}"));
    let settings = [
        ("ENVIRONMENT", "production"),
        ("JWT_SECRET_KEY", KEY),
        ("SECRET_KEY", KEY),
        ("PORT", "0"),
        ("HOST", "127.0.0.1"),
        ("PUBLIC_URL", "http://127.0.0.1"),
        ("DATABASE_PUBLIC_URL", owner.expose_secret()),
        ("DATABASE_URL", &plain),
    ];
    let server = Server::start(&settings).await;
    let postgres = cluster::owner(&database).await;
    let who = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = $1";
    let connections: i64 = postgres.query_one(who, &[&role]).await.expect("count").get(0);
    server.stop().await;
    // Roles are the whole server's.
    let away = format!("DROP OWNED BY {role}; DROP ROLE {role}");
    postgres.batch_execute(&away).await.expect("dropped");
    assert!(connections > 0, "it serves as the plain role");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_takes_as_many_files_as_it_is_allowed_and_says_where_they_are_too_few() {
    let database = cluster::database().await;
    let login = cluster::login_url(&database);
    let settings = [
        ("PORT", "0"),
        ("DATABASE_URL", login.expose_secret()),
        ("MIGRATE_ON_START", "false"),
        ("DEMO_DATA", "false"),
        ("JWT_SECRET_KEY", KEY),
        ("SECRET_KEY", KEY),
        ("LOG_FORMAT", "json"),
        ("MAX_CONNECTIONS", "1000"),
    ];
    let mut server = Server::limited("ulimit -S -n 300 && ulimit -H -n 1500", &settings).await;
    let mut logged = Logged::of(&mut server);
    let log = logged.until("files may be open").await;
    let last = log.last().expect("a line");
    assert_eq!(last["level"], "WARN");
    // What it was given at first would be a fifth of that.
    insta::assert_snapshot!(last["fields"]["message"].as_str().expect("text"), @"1500 files may be open at once; with MAX_CONNECTIONS at 1000, 2016 of them are needed. Raise the hard limit (`ulimit -Hn`, LimitNOFILE= in a systemd unit, `ulimits: nofile` in a compose file), or lower MAX_CONNECTIONS.");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_not_postgresqls_is_named() {
    let folder = Folder::new("programs");
    let settings = [("FRONTDESK_DATA_DIR", folder.text()), ("PORT", "0"), ("PG_BIN_DIR", "/tmp")];
    let (ok, _, error) = run(&["serve"], &settings).await;
    let said = "frontdesk: PG_BIN_DIR names /tmp, where there is no `initdb` and `postgres`\n";
    assert!(!ok && error.ends_with(said), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owners_url_alone_is_not_taken_for_the_private_databases() {
    let (database, folder) = (cluster::empty_database().await, Folder::new("alone"));
    let owner = cluster::owner_url(&database);
    let settings =
        [("FRONTDESK_DATA_DIR", folder.text()), ("PORT", "0"), ("DATABASE_PUBLIC_URL", owner.expose_secret())];
    for command in ["serve", "migrate"] {
        let (ok, said, error) = run(&[command], &settings).await;
        assert!(
            !ok && said.is_empty() && error.contains("DATABASE_URL is missing beside DATABASE_PUBLIC_URL"),
            "{error}"
        );
    }
    assert_eq!(tables(&database).await, 0, "nothing is made there");
    assert!(!folder.0.join("postgres").exists(), "nor here");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owners_url_of_another_database_changes_nothing_there() {
    let (elsewhere, served) = (cluster::empty_database().await, cluster::database().await);
    let (owner, login) = (cluster::owner_url(&elsewhere), cluster::login_url(&served));
    let settings = [
        ("ENVIRONMENT", "production"),
        ("JWT_SECRET_KEY", KEY),
        ("SECRET_KEY", KEY),
        ("PORT", "0"),
        ("HOST", "127.0.0.1"),
        ("ADMIN_EMAIL", "root@example.com"),
        ("ADMIN_PASSWORD", "a long password"),
        ("DATABASE_PUBLIC_URL", owner.expose_secret()),
        ("DATABASE_URL", login.expose_secret()),
    ];
    for command in [&["serve"][..], &["migrate"], &["migrate", "--down", "1"], &["seed-admin"], &["seed-base-prompt"]] {
        let (ok, _, error) = run(command, &settings).await;
        let said = "DATABASE_PUBLIC_URL and DATABASE_URL lead to different databases. Nothing was changed;";
        assert!(!ok && error.contains(said), "{command:?}: {error}");
    }
    assert_eq!(tables(&elsewhere).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_in_the_environment_are_all_named_and_nothing_starts() {
    let (ok, said, error) =
        run(&["serve"], &[("ENVIRONMENT", "production"), ("PORT", "high"), ("SECRET_KEY", "canary")]).await;
    assert!(!ok && said.is_empty());
    assert!(!error.contains("canary"));
    insta::assert_snapshot!(error, @"
    frontdesk: 4 setting(s) need mending:
      PORT must be a number from 0 to 65535
      SECRET_KEY must be 64 hex digits
      DATABASE_URL is missing; production has no private database
      JWT_SECRET_KEY is missing; make one with `openssl rand -hex 32`
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_there_is_named_in_one_line() {
    let settings = [
        ("DATABASE_URL", "postgres://user:canary@127.0.0.1:1/nothing"),
        ("JWT_SECRET_KEY", KEY),
        ("SECRET_KEY", KEY),
        ("PORT", "0"),
        ("FRONTDESK_DATA_DIR", "/tmp/fd-unused"),
    ];
    let (ok, _, error) = run(&["serve"], &settings).await;
    assert!(!ok && error.contains("can't connect to DATABASE_URL: Connection refused"), "{error}");
    assert!(!error.contains("canary"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_leads_nowhere_is_named_with_what_is_wrong_about_it() {
    let nowhere = cluster::owner_url("nowhere_at_all");
    let misspelt = "postgres://owner:canary@127.0.0.1:1/desk?sslrootcert=/root.crt";
    let cases = [
        (
            nowhere.expose_secret(),
            "",
            "can't connect to DATABASE_URL: database \"nowhere_at_all\" does not exist (SQLSTATE 3D000)",
        ),
        (misspelt, "", "DATABASE_URL can't be read as a PostgreSQL URL: unknown option `sslrootcert`"),
        (
            nowhere.expose_secret(),
            misspelt,
            "DATABASE_PUBLIC_URL can't be read as a PostgreSQL URL: unknown option `sslrootcert`",
        ),
    ];
    for (url, owner, said) in cases {
        let settings = [
            ("DATABASE_URL", url),
            ("DATABASE_PUBLIC_URL", owner),
            ("JWT_SECRET_KEY", KEY),
            ("SECRET_KEY", KEY),
            ("PORT", "0"),
            ("FRONTDESK_DATA_DIR", "/tmp/fd-unused"),
        ];
        let (ok, _, error) = run(&["serve"], &settings).await;
        assert!(!ok && error.ends_with(&format!("frontdesk: {said}\n")), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_the_database_hears_that_they_are_told_to_stop() {
    // For its turn to migrate; and in the middle of a look which migrations have run.
    for (command, hold) in [
        ("migrate", "SELECT pg_advisory_xact_lock(x'0046726f6e746465'::bigint)"),
        ("serve", "LOCK TABLE __diesel_schema_migrations IN ACCESS EXCLUSIVE MODE"),
    ] {
        let database = cluster::database().await;
        let holder = cluster::owner(&database).await;
        holder.batch_execute(&format!("BEGIN; {hold}")).await.expect("held");
        let owner = cluster::owner_url(&database);
        let settings = [
            ("DATABASE_URL", owner.expose_secret()),
            ("JWT_SECRET_KEY", KEY),
            ("SECRET_KEY", KEY),
            ("PORT", "0"),
            ("FRONTDESK_DATA_DIR", "/tmp/fd-unused"),
        ];
        let child = frontdesk(&[command], &settings).spawn().expect("started");
        cluster::until_somebody_waits(&database).await;
        let pid = Pid::from_raw(i32::try_from(child.id().expect("alive")).expect("a pid"));
        kill(pid, Signal::SIGTERM).expect("told");
        let output = timeout(PATIENCE, child.wait_with_output()).await.expect("in time").expect("ended");
        // It ends by itself: one that nobody had told what to do then would be ended by the system, or not at all.
        assert_eq!(output.status.code(), Some(1), "{command}");
        assert!(output.stderr.ends_with(b"frontdesk: told to stop\n"), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_printed_without_any_settings() {
    let (ok, said, _) = run(&["schema"], &[]).await;
    assert!(ok);
    assert_eq!(said, std::fs::read_to_string("schema.graphql").expect("schema.graphql"));
}
