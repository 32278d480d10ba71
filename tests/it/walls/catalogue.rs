//! What PostgreSQL itself says: every table stands behind a forced policy or on the short list, the login role can't walk
//! around it, and `src/db/schema.rs` is what the catalogue prints.

use crate::support::cluster;

#[tokio::test(flavor = "multi_thread")]
async fn every_table_is_behind_a_forced_policy_or_has_a_reason() {
    let database = cluster::database().await;
    let rows = cluster::owner(&database)
        .await
        .query(
            "SELECT c.relname::text, c.relrowsecurity AND c.relforcerowsecurity, \
                    (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid) \
             FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1",
            &[],
        )
        .await
        .expect("the catalogue");
    let listed = ["__diesel_schema_migrations"];
    for row in &rows {
        let (name, forced, policies): (String, bool, i64) = (row.get(0), row.get(1), row.get(2));
        assert!(listed.contains(&name.as_str()) || (forced && policies > 0), "{name} stands open");
    }
    assert!(rows.len() > 15, "the tables are there");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tenant_owned_table_ties_its_rows_to_one_tenant() {
    let database = cluster::database().await;
    // Tables whose rows may belong to no tenant, each with its reason.
    let shared = [
        "audit_entries",      // what administrators do to the platform
        "prompt_bundles",     // the global base
        "prompt_sections",    // the global base's
        "sessions",           // global administrators'
        "users",              // global administrators
        "webhook_deliveries", // quarantined: the tenant is not known
    ];
    let rows = cluster::owner(&database)
        .await
        .query(
            "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' \
               AND a.attname = 'tenant_id' AND NOT a.attnotnull ORDER BY 1",
            &[],
        )
        .await
        .expect("the catalogue");
    let loose: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(loose, shared);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_login_role_sees_nothing_until_it_takes_a_role_and_a_tenant() {
    let database = cluster::database().await;
    let owner = cluster::owner(&database).await;
    owner
        .batch_execute(
            "INSERT INTO tenants (id, subdomain, name, created_at, updated_at) VALUES (1, 'a', 'A', now(), now()), (2, 'b', 'B', now(), now());
             INSERT INTO leads (tenant_id, name, source, status, created_at, updated_at)
             VALUES (1, 'Ann', 'WEB', 'NEW', now(), now()), (2, 'Bob', 'WEB', 'NEW', now(), now())",
        )
        .await
        .expect("rows");
    let login = cluster::login(&database).await;
    let refused = login.query("SELECT * FROM leads", &[]).await.expect_err("no role, no data");
    assert_eq!(refused.code().map(tokio_postgres::error::SqlState::code), Some("42501"), "{refused}");
    let count = async |setting: &str| -> i64 {
        login.batch_execute(&format!("BEGIN; SET LOCAL ROLE frontdesk_tenant; {setting}")).await.expect("begin");
        let count = login.query_one("SELECT count(*) FROM leads", &[]).await.expect("count").get(0);
        login.batch_execute("ROLLBACK").await.expect("rollback");
        count
    };
    assert_eq!(count("").await, 0, "no tenant, no rows");
    assert_eq!(count("SET LOCAL app.tenant_id = ''").await, 0);
    assert_eq!(count("SET LOCAL app.tenant_id = '1'").await, 1);
    assert_eq!(count("SET LOCAL app.tenant_id = '3'").await, 0);
    // A row can't be moved into another tenant, nor written into one.
    for write in [
        "UPDATE leads SET tenant_id = 2",
        "INSERT INTO leads (tenant_id, name, source, status, created_at, updated_at) VALUES (2, 'x', 'WEB', 'NEW', now(), now())",
    ] {
        login
            .batch_execute("BEGIN; SET LOCAL ROLE frontdesk_tenant; SET LOCAL app.tenant_id = '1'")
            .await
            .expect("begin");
        let refused = login.batch_execute(write).await.expect_err(write);
        assert_eq!(refused.code().map(tokio_postgres::error::SqlState::code), Some("42501"), "{write}: {refused}");
        login.batch_execute("ROLLBACK").await.expect("rollback");
    }
}

/// Policies choose rows; of which columns somebody reads and writes, grants tell. A new column is the platform's until it stands here.
#[tokio::test(flavor = "multi_thread")]
async fn of_what_is_its_own_a_tenant_writes_and_reads_no_more_than_it_needs() {
    let database = cluster::database().await;
    let owner = cluster::owner(&database).await;
    owner
        .batch_execute(
            "INSERT INTO tenants (id, subdomain, name, created_at, updated_at) VALUES (1, 'a', 'A', now(), now());
             INSERT INTO users (id, tenant_id, email, password_hash, role, created_at, updated_at)
             VALUES (1, 1, 'ann@a.example', 'x', 'USER', now(), now());
             INSERT INTO sessions (id, user_id, tenant_id, refresh_hash, created_at, expires_at)
             VALUES (gen_random_uuid(), 1, 1, 'canary', now(), now())",
        )
        .await
        .expect("rows");
    let login = cluster::login(&database).await;
    for (role, statement, may) in [
        (
            "frontdesk_tenant",
            "UPDATE tenants SET ? = ?",
            vec!["business_name", "contact_email", "phone_number", "time_zone", "updated_at", "website_url"],
        ),
        ("frontdesk_tenant", "SELECT ? FROM sessions", vec!["expires_at", "revoked_at", "tenant_id", "user_id"]),
        ("frontdesk_admin", "SELECT ? FROM sessions", vec!["expires_at", "revoked_at", "tenant_id", "user_id"]),
        ("frontdesk_tenant", "UPDATE sessions SET ? = ?", vec!["revoked_at"]),
    ] {
        let table = if statement.contains("tenants") { "tenants" } else { "sessions" };
        let columns = "SELECT attname::text FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 \
                       AND NOT attisdropped ORDER BY 1";
        let columns = owner.query(columns, &[&table]).await.expect("the catalogue");
        let mut done = Vec::new();
        for column in columns.iter().map(|row| row.get::<_, String>(0)) {
            let statement = statement.replace('?', &column);
            login
                .batch_execute(&format!("BEGIN; SET LOCAL ROLE {role}; SET LOCAL app.tenant_id = '1'"))
                .await
                .expect("begin");
            match login.execute(&statement, &[]).await {
                Ok(rows) => {
                    assert_eq!(rows, 1, "{role}: {statement}");
                    done.push(column);
                }
                Err(refused) => {
                    let code = refused.code().map(tokio_postgres::error::SqlState::code);
                    assert_eq!(code, Some("42501"), "{role}: {statement}: {refused}");
                }
            }
            login.batch_execute("ROLLBACK").await.expect("rollback");
        }
        assert_eq!(done, may, "{role}: {statement}");
    }
}

/// PostgreSQL takes IS NULL of a function to be true of next to no row, and then reads all of a tenant's rows for a page of twenty.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_does_not_make_postgresql_expect_nothing() {
    let database = cluster::database().await;
    let owner = cluster::owner(&database).await;
    let slow =
        "SELECT concat(tablename, ' ', policyname) FROM pg_policies WHERE concat(qual, with_check) LIKE '%() IS NULL%'";
    let slow: Vec<String> = owner.query(slow, &[]).await.expect("the catalogue").iter().map(|row| row.get(0)).collect();
    assert!(slow.is_empty(), "these say IS NULL where app_conversation_id_is_unset() is meant: {slow:?}");
    let each = "SELECT concat(tablename, ' ', policyname) FROM pg_policies WHERE replace(concat(qual, with_check), \
                'SELECT app_conversation_id_is_unset()', '') LIKE '%app_conversation_id_is_unset()%'";
    let each: Vec<String> = owner.query(each, &[]).await.expect("the catalogue").iter().map(|row| row.get(0)).collect();
    assert!(each.is_empty(), "these ask of each row; write (SELECT app_conversation_id_is_unset()): {each:?}");
    owner
        .batch_execute(
            "INSERT INTO tenants (id, subdomain, name, created_at, updated_at)
             SELECT t, 'a' || t, 'A', now(), now() FROM generate_series(1, 20) t;
             INSERT INTO leads (tenant_id, name, source, status, created_at, updated_at)
             SELECT 1 + n % 20, 'Ann', 'WEB', 'NEW', now() - n * interval '1 second', now() FROM generate_series(1, 10000) n;
             ANALYZE leads;",
        )
        .await
        .expect("rows");
    let tenant = cluster::login(&database).await;
    let plan = tenant
        .simple_query(
            "BEGIN; SET LOCAL ROLE frontdesk_tenant; SET LOCAL app.tenant_id = '1'; SET LOCAL app.conversation_id = '';
             SET LOCAL plan_cache_mode = force_generic_plan;
             PREPARE newest AS SELECT * FROM leads WHERE tenant_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2;
             EXPLAIN EXECUTE newest(1, 21); ROLLBACK",
        )
        .await
        .expect("a plan");
    let lines = plan.iter().filter_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    let plan: String = lines.collect::<Vec<_>>().join("\n");
    assert!(plan.contains("Index Scan using leads_newest") && !plan.contains("Sort"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_of_a_tenant_is_closed_or_narrowed_to_a_visitor() {
    let database = cluster::database().await;
    let owner = cluster::owner(&database).await;
    // Tables that a visitor's transaction may read as the tenant may, each with its reason.
    let open = [
        "tenants",       // what comes in may be weighed against the tenant's quota
        "usage_entries", // as above
    ];
    let rows = owner
        .query(
            "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' \
               AND has_any_column_privilege('frontdesk_tenant', c.oid, 'SELECT') \
               AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND NOT p.polpermissive \
                 AND p.polcmd IN ('*', 'r') AND pg_get_expr(p.polqual, p.polrelid) LIKE '%app_conversation_id%') ORDER BY 1",
            &[],
        )
        .await
        .expect("the catalogue");
    assert_eq!(rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>(), open);

    owner
        .batch_execute(
            "INSERT INTO tenants (id, subdomain, name, created_at, updated_at) VALUES (1, 'a', 'A', now(), now());
             INSERT INTO leads (tenant_id, name, source, status, created_at, updated_at) VALUES (1, 'Ann', 'WEB', 'NEW', now(), now());
             INSERT INTO conversations (id, tenant_id, channel, status, created_at, updated_at)
             VALUES (1, 1, 'WEB', 'BOT', now(), now()), (2, 1, 'WEB', 'BOT', now(), now());
             INSERT INTO messages (tenant_id, conversation_id, role, status, content, created_at, updated_at)
             VALUES (1, 1, 'CUSTOMER', 'COMPLETE', 'mine', now(), now()), (1, 1, 'TOOL', 'COMPLETE', 'internal', now(), now()),
                    (1, 2, 'CUSTOMER', 'COMPLETE', 'theirs', now(), now());
             INSERT INTO audit_entries (at, tenant_id, impersonated, action, request_id) VALUES (now(), 1, false, 'x', 'x')",
        )
        .await
        .expect("rows");
    let login = cluster::login(&database).await;
    let begin =
        "BEGIN; SET LOCAL ROLE frontdesk_tenant; SET LOCAL app.tenant_id = '1'; SET LOCAL app.conversation_id = '1'";
    let seen = async |query: &str| -> i64 {
        login.batch_execute(begin).await.expect("begin");
        let count = login.query_one(query, &[]).await.expect(query).get(0);
        login.batch_execute("ROLLBACK").await.expect("rollback");
        count
    };
    assert_eq!(seen("SELECT count(*) FROM conversations").await, 1);
    assert_eq!(seen("SELECT count(*) FROM messages").await, 1, "its own, and none of the machinery's");
    assert_eq!(seen("SELECT count(*) FROM leads").await, 0);
    assert_eq!(seen("SELECT count(*) FROM audit_entries").await, 0);
    for (write, is_refused) in [
        (
            "INSERT INTO messages (tenant_id, conversation_id, role, status, content, created_at, updated_at) VALUES (1, 2, 'CUSTOMER', 'COMPLETE', 'x', now(), now())",
            true,
        ),
        (
            "INSERT INTO messages (tenant_id, conversation_id, role, status, content, created_at, updated_at) VALUES (1, 1, 'AGENT', 'COMPLETE', 'x', now(), now())",
            true,
        ),
        (
            "INSERT INTO conversations (id, tenant_id, channel, status, created_at, updated_at) VALUES (9, 1, 'WEB', 'BOT', now(), now())",
            true,
        ),
        (
            "INSERT INTO leads (tenant_id, name, source, status, created_at, updated_at) VALUES (1, 'x', 'WEB', 'NEW', now(), now())",
            true,
        ),
        // These find nothing to change.
        ("DELETE FROM messages", false),
        ("DELETE FROM conversations", false),
        ("UPDATE tenants SET business_name = 'x'", false),
    ] {
        login.batch_execute(begin).await.expect("begin");
        match login.execute(write, &[]).await {
            Ok(changed) => assert_eq!((changed, is_refused), (0, false), "{write}"),
            Err(refused) => {
                let code = refused.code().map(tokio_postgres::error::SqlState::code);
                assert_eq!((code, is_refused), (Some("42501"), true), "{write}: {refused}");
            }
        }
        login.batch_execute("ROLLBACK").await.expect("rollback");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_refuses_a_row_that_points_into_another_tenant() {
    let database = cluster::database().await;
    let owner = cluster::owner(&database).await;
    owner
        .batch_execute(
            "INSERT INTO tenants (id, subdomain, name, created_at, updated_at) VALUES (1, 'a', 'A', now(), now()), (2, 'b', 'B', now(), now());
             INSERT INTO leads (id, tenant_id, name, source, status, created_at, updated_at) VALUES (1, 1, 'Ann', 'WEB', 'NEW', now(), now());
             INSERT INTO conversations (id, tenant_id, channel, status, created_at, updated_at) VALUES (1, 1, 'WEB', 'BOT', now(), now())",
        )
        .await
        .expect("rows");
    for (what, insert) in [
        (
            "a message",
            "INSERT INTO messages (id, tenant_id, conversation_id, role, status, content, created_at, updated_at) VALUES (9, 2, 1, 'CUSTOMER', 'COMPLETE', 'x', now(), now())",
        ),
        (
            "a meeting with a lead",
            "INSERT INTO meetings (tenant_id, lead_id, starts_at, ends_at, status, created_at, updated_at) VALUES (2, 1, now(), now() + interval '1 hour', 'BOOKED', now(), now())",
        ),
        (
            "a meeting from a conversation",
            "INSERT INTO meetings (tenant_id, conversation_id, starts_at, ends_at, status, created_at, updated_at) VALUES (2, 1, now(), now() + interval '1 hour', 'BOOKED', now(), now())",
        ),
        (
            "a conversation",
            "INSERT INTO conversations (id, tenant_id, channel, status, lead_id, created_at, updated_at) VALUES (9, 2, 'WEB', 'BOT', 1, now(), now())",
        ),
    ] {
        // As the superuser: no policy is in the way, the constraint alone holds.
        let refused = owner.batch_execute(insert).await.expect_err(what);
        assert_eq!(refused.code().map(tokio_postgres::error::SqlState::code), Some("23503"), "{what}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rust_schema_is_what_the_catalogue_prints() {
    let database = cluster::database().await;
    let printed: String =
        cluster::owner(&database).await.query_one(frontdesk::db::SCHEMA_QUERY, &[]).await.expect("printed").get(0);
    let file = "src/db/schema.rs";
    let committed = std::fs::read_to_string(file).expect(file);
    let (header, tables) = committed.split_at(committed.find("diesel::table!").expect("tables"));
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(file, format!("{header}{}\n", printed.trim_end())).expect("written");
    } else {
        assert!(printed.trim_end() == tables.trim_end(), "{file} is behind the migrations; run `make schema`");
    }
}
