//! Faults in the database: in who signs in, in tables and policies, in migrations, and in what stands in the tables.

use frontdesk::{
    db::{
        Db, DbSettings, identity,
        tables::settings::{SmsChanges, change_sms},
    },
    kernel::{
        clock::Clock,
        failure::{ErrorCode, Failure},
        ids::TenantId,
    },
};
use futures_util::{StreamExt, stream};
use secrecy::ExposeSecret;

use super::{JWT_SECRET_KEY, NOWHERE, SECRET_KEY, Vars, examined, means, names, sound, sound_database};
use crate::support::{cluster, redis::Redis};

/// What is planted as the superuser, and what is to be named.
type Case = (&'static str, &'static [&'static str]);

/// Plants each in a database of its own.
async fn planted(cases: &[Case], changes: &[(&'static str, &str)]) -> String {
    let redis = Redis::start().await;
    let wrong = stream::iter(cases).map(async |(plant, expected)| {
        let database = sound_database().await;
        cluster::owner(&database).await.batch_execute(plant).await.expect(plant);
        let mut vars = sound(&database, &redis);
        vars.extend(changes.iter().map(|(name, value)| (*name, (*value).to_owned())));
        names(plant, &examined(&vars, &means()).await, expected)
    });
    wrong.buffered(4).filter_map(async |wrong| wrong).collect::<Vec<_>>().await.concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_gap_in_a_table_is_named() {
    let wrong = planted(
        &[
            ("ALTER TABLE leads DISABLE ROW LEVEL SECURITY", &["must_mend rls-off"]),
            ("ALTER TABLE leads NO FORCE ROW LEVEL SECURITY", &["must_mend rls-not-forced"]),
            ("CREATE TABLE stray (tenant_id bigint)", &["must_mend rls-off"]),
            ("DROP POLICY tenant_own ON leads", &["must_mend policy-missing"]),
            ("DROP POLICY tenant_reads ON prompt_bundles", &["must_mend policy-missing"]),
            ("DROP POLICY worker_all ON jobs", &["must_mend policy-missing"]),
            ("CREATE POLICY wide ON leads TO frontdesk_tenant USING (true)", &["must_mend policy-too-wide"]),
            ("CREATE POLICY wide ON leads USING (true) WITH CHECK (true)", &["must_mend policy-too-wide"]),
            ("DROP POLICY visitor_sees_none ON leads", &["must_mend visitor-policy-missing"]),
            (
                "REVOKE EXECUTE ON FUNCTION pg_get_expr(pg_node_tree, oid) FROM PUBLIC",
                &["must_mend database-unanswered"],
            ),
        ],
        &[],
    );
    assert_eq!(wrong.await, "");
    // All of them are not told one by one.
    let all_off = "DO $$ DECLARE t text; BEGIN FOR t IN SELECT relname FROM pg_class WHERE relrowsecurity LOOP \
                   EXECUTE format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY', t); END LOOP; END $$";
    let expected = [&["must_mend rls-off"; 20][..], &["must_mend more-gaps"]].concat().leak();
    assert_eq!(planted(&[(all_off, expected)], &[]).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_are_not_this_programs_are_named() {
    const UNLOOKED: &str = "note tenants-not-looked-at";
    const NEWEST: &str =
        "DELETE FROM __diesel_schema_migrations WHERE version = (SELECT max(version) FROM __diesel_schema_migrations)";
    let cases: &[Case] = &[
        (NEWEST, &["must_mend migrations-pending", UNLOOKED]),
        ("INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000001')", &["note migrations-unknown"]),
        (
            "REVOKE SELECT ON __diesel_schema_migrations FROM frontdesk_app",
            &["must_mend migrations-unreadable", UNLOOKED],
        ),
        ("ALTER TABLE jobs RENAME TO works", &["must_mend tables-unanswered"]),
        ("ALTER TABLE sms_settings RENAME TO sms", &["must_mend tables-unanswered"]),
    ];
    assert_eq!(planted(cases, &[]).await, "");
    let starts: &[Case] = &[(NEWEST, &["must_mend migrations-pending", "note owner-unset", UNLOOKED])];
    assert_eq!(planted(starts, &[("MIGRATE_ON_START", "true")]).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_will_migrate_leaves_it_at_a_note() {
    let (redis, database) = (Redis::start().await, sound_database().await);
    let url = |database: &str| cluster::owner_url(database).expose_secret().to_owned();
    let owner = cluster::owner(&database).await;
    owner
        .batch_execute("DELETE FROM __diesel_schema_migrations WHERE version > '20261121000020'")
        .await
        .expect("deleted");
    let mut vars = sound(&database, &redis);
    vars.extend([("DATABASE_PUBLIC_URL", url(&database)), ("MIGRATE_ON_START", "true".to_owned())]);
    let expected = ["note migrations-pending", "note tenants-not-looked-at"];
    let report = examined(&vars, &means()).await;
    assert_eq!(names("a start migrates", &report, &expected), None);
    let pending = report.findings.iter().find(|finding| finding.name == "migrations-pending").expect("told");
    let first = "2026-11-21-000021_events_of_tenants, 2026-11-21-000022_mail_limits, ";
    assert!(pending.found.starts_with("The database lacks") && pending.found.contains(first), "{}", pending.found);
    // In development, whoever may make roles is not served with, and migrates.
    let development = Vars::from([
        ("DATABASE_URL", url(&cluster::empty_database().await)),
        ("FRONTDESK_DATA_DIR", NOWHERE.to_owned()),
        ("SECRET_KEY", SECRET_KEY.to_owned()),
        ("JWT_SECRET_KEY", JWT_SECRET_KEY.to_owned()),
        ("OPENAI_API_KEY", "sk-1".to_owned()),
        ("TWILIO_AUTH_TOKEN", "token".to_owned()),
    ]);
    let expected = ["note migrations-pending", "note tenants-not-looked-at", "note google-unset"];
    assert_eq!(names("development", &examined(&development, &means()).await, &expected), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_hold_what_people_write_is_named() {
    let (redis, name) = (Redis::start().await, cluster::empty_database().await);
    let ascii = format!("{name}_ascii");
    let create = format!("CREATE DATABASE {ascii} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'");
    cluster::owner("postgres").await.batch_execute(&create).await.expect("made");
    let expected = ["must_mend database-encoding", "must_mend migrations-pending", "note tenants-not-looked-at"];
    assert_eq!(names("ASCII", &examined(&sound(&ascii, &redis), &means()).await, &expected), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_takes_no_writes_is_named() {
    let switch = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); \
                  END $$";
    assert_eq!(planted(&[(switch, &["must_mend database-read-only"])], &[]).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_could_pass_by_is_named() {
    let (redis, database) = (Redis::start().await, sound_database().await);
    let owner = cluster::owner(&database).await;
    let all = "frontdesk_tenant, frontdesk_admin, frontdesk_identity, frontdesk_worker";
    let cases: &[(&str, &str, &str, &[&str])] = &[
        ("plain", "NOINHERIT", "", &[]),
        ("super", "NOINHERIT SUPERUSER", "", &["must_mend login-superuser"]),
        ("bypass", "NOINHERIT BYPASSRLS", "", &["must_mend login-bypasses-rls"]),
        ("maker", "NOINHERIT CREATEROLE", "", &["must_mend login-makes-roles"]),
        ("heir", "INHERIT", "", &["must_mend login-inherits-roles"]),
        ("owner", "NOINHERIT", "ALTER TABLE leads OWNER TO $role", &["must_mend login-owns-tables"]),
        (
            "kept_out",
            "NOINHERIT",
            "REVOKE frontdesk_worker FROM $role",
            &["must_mend role-withheld", "note tenants-not-looked-at"],
        ),
    ];
    for (name, kind, then, expected) in cases {
        let role = format!("doctor_{name}_{}", std::process::id());
        let make = format!(
            "CREATE ROLE {role} LOGIN {kind}; GRANT {all} TO {role}; GRANT SELECT ON __diesel_schema_migrations TO {role}; {}",
            then.replace("$role", &role)
        );
        owner.batch_execute(&make).await.expect("made");
        let url = cluster::owner_url(&database).expose_secret().replace("user=postgres", &format!("user={role}"));
        let mut vars = sound(&database, &redis);
        vars.insert("DATABASE_URL", url);
        let wrong = names(name, &examined(&vars, &means()).await, expected);
        // Roles are the whole server's.
        let away = format!("REASSIGN OWNED BY {role} TO postgres; DROP OWNED BY {role}; DROP ROLE {role}");
        owner.batch_execute(&away).await.expect("dropped");
        assert_eq!(wrong, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_fail_in_silence_is_named() {
    let mailbox = |then: &str| {
        let insert = "INSERT INTO email_settings (tenant_id, connected_address, updated_at) SELECT id, 'desk@acme.example', now() FROM tenants";
        &*format!("{insert}; UPDATE email_settings SET {then}").leak()
    };
    let job = |state: &str, age: &str| {
        let at = format!("now() - interval '{age}'");
        &*format!("INSERT INTO jobs (tenant_id, kind, payload, state, run_at, created_at, updated_at) SELECT id, 'text', '{{}}', '{state}', {at}, {at}, {at} FROM tenants").leak()
    };
    let cases: &[Case] = &[
        ("DELETE FROM sessions; DELETE FROM users WHERE role = 'ADMIN'", &["must_mend no-administrator"]),
        ("UPDATE users SET is_active = false WHERE role = 'ADMIN'", &["must_mend no-administrator"]),
        ("UPDATE prompt_bundles SET status = 'ARCHIVED'", &["note no-base-prompt"]),
        (job("DEAD", "1 hour"), &["note jobs-dead"]),
        (job("READY", "1 hour"), &["note jobs-waiting"]),
        (job("READY", "1 minute"), &[]),
        (mailbox("watch_expires_at = now() + interval '6 days'"), &[]),
        (mailbox("watch_expires_at = now() + interval '6 hours'"), &["note watch-expires"]),
        (mailbox("watch_expires_at = now() - interval '1 minute'"), &["must_mend watch-expired"]),
        (mailbox("is_enabled = true"), &["note watch-missing"]),
        (mailbox("revoked_at = now(), revoked_reason = 'away'"), &["note mailbox-revoked"]),
        ("UPDATE tenant_secrets SET sealed = '\\x01020304'", &["must_mend secret-lost", "must_mend secret-lost"]),
        (
            "UPDATE sms_settings SET telnyx_phone_number = NULL, twilio_phone_number = NULL",
            &["note texts-without-number"],
        ),
        ("DELETE FROM tenant_secrets WHERE name = 'telnyx_api_key'", &["note texts-without-key"]),
        ("DELETE FROM tenant_secrets WHERE name = 'twilio_auth_token'", &["note texts-without-key"]),
        ("UPDATE sms_settings SET twilio_account_sid = NULL", &["note texts-without-key"]),
        // Who is switched off, or answered by somebody else, fails nobody.
        ("DELETE FROM tenant_secrets; UPDATE sms_settings SET is_enabled = false", &[]),
        ("DELETE FROM tenant_secrets; UPDATE sms_settings SET answered_by = 'TELNYX_ASSISTANT'", &[]),
        ("DELETE FROM tenant_secrets; UPDATE tenants SET is_active = false", &[]),
    ];
    assert_eq!(planted(cases, &[]).await, "");
    let without_google: &[Case] = &[(
        mailbox("watch_expires_at = now() + interval '6 days'"),
        &["must_mend mailbox-without-client", "note google-unset"],
    )];
    let unset = ["GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET", "GMAIL_PUBSUB_TOPIC", "PUBSUB_SERVICE_ACCOUNT"]
        .map(|name| (name, ""));
    assert_eq!(planted(without_google, &unset).await, "");
    let index =
        "INSERT INTO retrieval_settings (tenant_id, provider, updated_at) SELECT id, 'PINECONE', now() FROM tenants";
    let without_vectors: &[Case] = &[(index, &["must_mend pinecone-without-embeddings", "note model-built-in"])];
    assert_eq!(planted(without_vectors, &[("OPENAI_API_KEY", "")]).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_many_tenants_have_is_not_told_without_end() {
    let (redis, database) = (Redis::start().await, sound_database().await);
    let many = "INSERT INTO tenants (id, subdomain, name, created_at, updated_at) SELECT n, 't' || n, 'T', now(), now() FROM generate_series(5001, 5300) n;
                INSERT INTO sms_settings (tenant_id, is_enabled, updated_at) SELECT n, true, now() FROM generate_series(5001, 5300) n";
    cluster::owner(&database).await.batch_execute(many).await.expect("made");
    let report = examined(&sound(&database, &redis), &means()).await;
    let found: Vec<_> = report.findings.iter().filter(|finding| finding.name == "texts-without-number").collect();
    assert_eq!((found.len(), found.last().expect("some").found.as_str()), (21, "And 280 more of the same."));
    let all = report.findings.iter().find(|finding| finding.name == "tenants").expect("told");
    assert_eq!(all.found, "301 tenant(s); 2 of their secrets open.");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_looks_through_can_only_read() {
    let database = sound_database().await;
    let settings = DbSettings { url: cluster::login_url(&database), pool_size: 1 };
    let db = Db::new(&settings).expect("a pool").only_reading();
    let changes = SmsChanges { is_enabled: Some(false), updated_at: Clock::system().now(), ..SmsChanges::default() };
    let scope = identity::server_work(TenantId(1001));
    match db.write(&scope, async |tx| change_sms(tx, &changes).await).await {
        Err(Failure::Refused(refusal)) => assert_eq!(refusal.code, ErrorCode::Forbidden),
        other => panic!("written: {other:?}"),
    }
}
