//! Migrations go up and down, by whoever owns the tables, and two nodes that start together do not trip over each other.

use std::{ffi::OsStr, time::Duration};

use frontdesk::db::{
    DbSettings,
    migrate::{self, OpenSettings, Readiness},
};
use secrecy::ExposeSecret;

use crate::support::cluster;

/// How many migrations there are from this one on.
fn since(name: &str) -> usize {
    let all = std::fs::read_dir("migrations").expect("migrations").flatten();
    all.filter(|migration| migration.file_name().as_os_str() >= OsStr::new(name)).count()
}

async fn tables(database: &str) -> i64 {
    let count = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname NOT LIKE '\\_\\_%'";
    cluster::owner(database).await.query_one(count, &[]).await.expect("count").get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_the_way_up_down_and_up_again() {
    let database = cluster::empty_database().await;
    let open = cluster::open_settings(&database);
    migrate::migrate(&open).await.expect("up");
    let all = tables(&database).await;
    assert!(all > 15);
    let error = migrate::revert(&open, since("") + 1).await.expect_err("so many have not run").to_string();
    assert!(error.contains(&format!("since {} have run. Nothing was done", since(""))), "{error}");
    assert_eq!(tables(&database).await, all);
    migrate::revert(&open, since("")).await.expect("down");
    assert_eq!(tables(&database).await, 0);
    let left = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace";
    assert_eq!(cluster::owner(&database).await.query_one(left, &[]).await.expect("count").get::<_, i64>(0), 0);
    migrate::migrate(&open).await.expect("up again");
    assert_eq!(tables(&database).await, all);
}

/// An empty database of a plain role's, whom the policies hold as they hold everybody; with a superuser's connection to it.
async fn plain_owner(name: &str) -> (OpenSettings, String, tokio_postgres::Client) {
    // The roles come with the template: a plain owner may not make them.
    cluster::database().await;
    let database = cluster::empty_database().await;
    let (superuser, role) = (cluster::owner(&database).await, format!("{name}_{}", std::process::id()));
    let make = format!("CREATE ROLE {role} LOGIN; ALTER DATABASE {database} OWNER TO {role}");
    superuser.batch_execute(&make).await.expect("made");
    let url = cluster::owner_url(&database).expose_secret().replace("user=postgres", &format!("user={role}"));
    let open = OpenSettings { db: DbSettings { url: url.into(), pool_size: 1 }, ..cluster::open_settings(&database) };
    (open, role, superuser)
}

/// Roles are the whole server's, and outlive the database.
async fn away(role: &str, superuser: &tokio_postgres::Client) {
    let away = format!("REASSIGN OWNED BY {role} TO postgres; DROP OWNED BY {role}; DROP ROLE {role}");
    superuser.batch_execute(&away).await.expect("dropped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_owner_takes_back_what_the_policies_hide_from_it() {
    const EVENTS_OF_TENANTS: &str = "2026-11-21-000021";
    let (open, role, superuser) = plain_owner("plain_owner").await;
    migrate::migrate(&open).await.expect("up");
    // An event that two tenants have, and both have still to act on; and two secrets, of which one is sealed under a data key.
    let rows = "INSERT INTO tenants (id, subdomain, name, created_at, updated_at) \
                    SELECT n, 't' || n, 'T', now(), now() FROM generate_series(1, 2) n; \
                INSERT INTO webhook_deliveries (tenant_id, provider, event_id, event_type, status, body, received_at) \
                    SELECT n, 'TELNYX', 'event-1', 'message.received', 'RECEIVED', '', now() FROM generate_series(1, 2) n; \
                INSERT INTO jobs (tenant_id, kind, payload, state, run_at, created_at, updated_at, delivery_id) \
                    SELECT tenant_id, 'delivery', '{}', 'READY', now(), now(), now(), id FROM webhook_deliveries; \
                INSERT INTO tenant_keys (tenant_id, name, sealed, created_at, updated_at) \
                    VALUES (1, '0123abcd', '', now(), now()); \
                INSERT INTO tenant_secrets (tenant_id, name, sealed, updated_at) \
                    SELECT n, 'telnyx_api_key', '', now() FROM generate_series(1, 2) n";
    superuser.batch_execute(rows).await.expect("stored");
    let newer = since(EVENTS_OF_TENANTS);
    let taken_back = migrate::revert(&open, newer).await;
    let left = "SELECT (SELECT count(*) FROM webhook_deliveries), (SELECT count(*) FROM tenant_secrets), \
                (SELECT count(*) FROM jobs)";
    let left = superuser.query_one(left, &[]).await.expect("counts");
    let (deliveries, secrets, jobs): (i64, i64, i64) = (left.get(0), left.get(1), left.get(2));
    let rest = migrate::revert(&open, since("") - newer).await;
    away(&role, &superuser).await;
    taken_back.expect("down");
    assert_eq!((deliveries, secrets, jobs), (1, 1, 1));
    rest.expect("all the way down");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_owner_brings_in_line_what_the_policies_hide_from_it() {
    const SESSIONS_THAT_STAND: &str = "2026-11-23-000031";
    let (open, role, superuser) = plain_owner("plain_mender").await;
    migrate::migrate(&open).await.expect("up");
    migrate::revert(&open, since(SESSIONS_THAT_STAND)).await.expect("down");
    // A person with more sessions than may stand, and some that ran out; a lead from somewhere else.
    let rows = "INSERT INTO tenants (id, subdomain, name, created_at, updated_at) VALUES (1, 't1', 'T', now(), now()); \
                INSERT INTO users (id, tenant_id, email, password_hash, role, created_at, updated_at) \
                    VALUES (7, 1, 'ann@t1.example', '', 'USER', now(), now()); \
                INSERT INTO sessions (id, user_id, tenant_id, refresh_hash, created_at, expires_at, agent) \
                    SELECT gen_random_uuid(), 7, 1, decode(md5(n::text), 'hex'), now() - n * interval '1 hour', \
                    now() + CASE WHEN n <= 102 THEN interval '1 day' ELSE interval '-1 day' END, n \
                    FROM generate_series(1, 105) n; \
                INSERT INTO leads (tenant_id, email, source, status, created_at, updated_at) \
                    VALUES (1, 'Ann@T1.example', 'WEB', 'NEW', now(), now())";
    superuser.batch_execute(rows).await.expect("stored");
    let brought = migrate::migrate(&open).await;
    let found = "SELECT (SELECT string_agg(agent, ' ' ORDER BY agent) FROM sessions WHERE revoked_at IS NOT NULL), \
                 (SELECT email FROM leads)";
    let found = superuser.query_one(found, &[]).await.expect("rows");
    let (ended, address): (Option<String>, String) = (found.get(0), found.get(1));
    away(&role, &superuser).await;
    brought.expect("up again");
    assert_eq!((ended.as_deref(), address.as_str()), (Some("101 102"), "ann@t1.example"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_somebody_holds_is_not_waited_for_without_end() {
    const TRACEPARENT: &str = "2026-11-21-000024";
    let database = cluster::empty_database().await;
    let open = OpenSettings { lock_wait: Duration::from_millis(20), ..cluster::open_settings(&database) };
    migrate::migrate(&open).await.expect("up");
    migrate::revert(&open, since(TRACEPARENT)).await.expect("down");
    // As a dump does, for as long as it takes; the first migration that is to run changes that table.
    let dump = cluster::owner(&database).await;
    dump.batch_execute("BEGIN; LOCK TABLE jobs IN ACCESS SHARE MODE").await.expect("held");
    let error = migrate::migrate(&open).await.expect_err("it is held").to_string();
    assert!(error.contains("a dump that is being taken") && error.contains("try again when that is over"), "{error}");
    let column =
        "SELECT count(*) FROM information_schema.columns WHERE table_name = 'jobs' AND column_name = 'traceparent'";
    assert_eq!(dump.query_one(column, &[]).await.expect("a count").get::<_, i64>(0), 0);
    dump.batch_execute("COMMIT").await.expect("let go");
    migrate::migrate(&open).await.expect("up");
    assert_eq!(dump.query_one(column, &[]).await.expect("a count").get::<_, i64>(0), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_together_migrate_once() {
    let database = cluster::empty_database().await;
    let nodes: Vec<_> = (0..4)
        .map(|_| {
            let open = cluster::open_settings(&database);
            #[expect(clippy::disallowed_methods, reason = "each node is a task of its own")]
            tokio::spawn(async move { migrate::open(&open).await })
        })
        .collect();
    for node in nodes {
        let db = node.await.expect("no panic").expect("opened");
        let ready = Readiness { unwritable: None, is_migrated: true };
        assert_eq!(migrate::readiness(&db).await.expect("asked"), ready);
    }
}
