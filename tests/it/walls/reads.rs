//! What is looked up is found by an index, also behind the policies: by PostgreSQL's own count of the rows that it read. Nothing fails
//! when all of a table is read instead; it only is slow, one day.

use chrono::TimeDelta;
use frontdesk::db::tables::jobs::{self, Lease, Wish};
use uuid::Uuid;

use crate::support::{Gateway, Plan, cluster};

/// Rows that each table gets, ten times as many as may be read of it.
const ROWS: i64 = 10_000;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_looked_up_does_not_cost_the_whole_table() {
    let gateway = Gateway::planned(Plan { housekeeping: None, ..Plan::default() }).await;
    let acme = gateway.tenant("acme").await;
    let (admin, staff, root) = (acme.admin().await, acme.staff().await, gateway.root().await);
    let owner = cluster::owner(&gateway.database).await;
    let (now, own) = (gateway.clock.now().to_rfc3339(), acme.id.0);
    // Forty other tenants with people and work, and of this one leads, and a person with very many sessions that ran out.
    let fill = format!(
        "INSERT INTO tenants (id, subdomain, name, created_at, updated_at)
             SELECT 2000 + n, 't' || n, 'T', now(), now() FROM generate_series(1, 40) n;
         INSERT INTO users (tenant_id, email, password_hash, role, created_at, updated_at)
             SELECT 2001 + n % 40, 'p' || n || '@t.example', '', 'USER', now(), now() FROM generate_series(1, {ROWS}) n;
         INSERT INTO sessions (id, user_id, tenant_id, refresh_hash, created_at, expires_at)
             SELECT gen_random_uuid(), id, tenant_id, decode(md5(id::text), 'hex'), '{now}', timestamptz '{now}' + interval '1 day'
             FROM users WHERE tenant_id > 2000;
         INSERT INTO sessions (id, user_id, tenant_id, refresh_hash, created_at, expires_at)
             SELECT gen_random_uuid(), 3, {own}, decode(md5('old' || n), 'hex'), '{now}', timestamptz '{now}' - interval '1 day'
             FROM generate_series(1, {ROWS}) n;
         INSERT INTO leads (tenant_id, email, source, status, created_at, updated_at)
             SELECT {own}, 'lead' || n || '@x.example', 'WEB', 'NEW', now(), now() FROM generate_series(1, {ROWS}) n;
         INSERT INTO audit_entries (at, tenant_id, impersonated, action, request_id)
             SELECT '{now}', 2001 + n % 40, false, 'lead.create', 'x' FROM generate_series(1, {ROWS}) n;
         INSERT INTO jobs (tenant_id, kind, payload, state, run_at, created_at, updated_at)
             SELECT 2001 + n % 40, 'text', '{{}}', 'READY', '{now}', now(), now() FROM generate_series(1, {ROWS}) n;"
    );
    owner.batch_execute(&fill).await.expect("rows");
    owner.batch_execute("ANALYZE").await.expect("statistics");
    // What it took to fill them counts for nothing.
    owner.batch_execute("SELECT pg_stat_force_next_flush()").await.expect("told");
    owner.batch_execute("SELECT pg_stat_reset()").await.expect("forgotten");
    drop(owner);

    let known = r#"mutation { createLead(input: { email: "Lead5000@x.example" }) { email } }"#;
    assert_eq!(admin.data(known).await["createLead"]["email"], "lead5000@x.example");
    admin.data("{ users { nodes { id } } }").await;
    root.data("{ users { nodes { id } } auditLog { nodes { id } } }").await;
    staff.data("mutation { revokeSessions }").await;
    admin.data(r#"mutation { revokeSessions(userId: "user_3") }"#).await;
    let now = gateway.clock.now();
    for answers in [true, false] {
        let wish = Wish { answers, most: 16, each: 2, in_hand: Vec::new() };
        let lease = Lease { token: Uuid::new_v4(), until: now + TimeDelta::seconds(12) };
        let taken = gateway.services.db.housekeep(async |tx| jobs::take(tx, &wish, now, lease).await).await;
        assert_eq!(taken.expect("a database").len(), if answers { 0 } else { 16 });
    }

    // PostgreSQL tells what a connection has read when that ends, at the latest.
    cluster::take_away(&gateway.database).await;
    cluster::give_back(&gateway.database).await;
    let read = "SELECT relname::text, seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables \
                WHERE relname IN ('audit_entries', 'jobs', 'leads', 'sessions', 'users') ORDER BY relname";
    let read = cluster::owner(&gateway.database).await.query(read, &[]).await.expect("counts");
    assert_eq!(read.len(), 5);
    for row in read {
        let (table, rows): (String, i64) = (row.get(0), row.get(1));
        assert!((1..ROWS / 10).contains(&rows), "{table}: {rows} rows were read");
    }
}
