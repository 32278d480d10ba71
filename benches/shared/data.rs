//! The neutral data set: the same rows in every run, loaded over the owner's connection. Must not know who reads it.
//!
//! Everything is numbered through all tenants, the tenant running fastest: tenant `t`'s lead `n` is `n * tenants + t + 1`. Rows of
//! one tenant so lie among those of all others, and a conversation's messages among those of the same hour, as they would where
//! all are served at once.

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::{Client, NoTls};

/// What everybody's password is.
pub const PASSWORD: &str = "correct horse battery staple";
/// Ids of tenants begin here, as they do in production.
const FIRST_TENANT: u32 = 1_001;
/// Of the connections that load side by side.
const LOADERS: u32 = 2;

/// How much there is of everything.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Shape {
    pub tenants: u32,
    pub users_per_tenant: u32,
    pub leads_per_tenant: u32,
    pub conversations_per_tenant: u32,
    pub messages_per_conversation: u32,
}

impl Shape {
    /// 50 tenants with 10 people, 2,000 leads, and 2,000 conversations of ten messages each; a trial has fewer leads and conversations.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded and bounded before")]
    pub fn scaled(scale: f64) -> Self {
        // A page of 20 must be full.
        let many = (2_000.0 * scale).round().clamp(20.0, 100_000.0) as u32;
        Self {
            tenants: 50,
            users_per_tenant: 10,
            leads_per_tenant: many,
            conversations_per_tenant: many,
            messages_per_conversation: 10,
        }
    }

    /// The person of a tenant who asks, an ordinary one: their id, and the address that they sign in by.
    pub fn person(&self, tenant: u32) -> (u32, String) {
        (self.tenants + tenant + 1, format!("person1.{}@bench.example", id_of(tenant)))
    }

    /// The id of a tenant's lead, both counted from nought.
    pub fn lead(&self, tenant: u32, lead: u32) -> u32 {
        lead * self.tenants + tenant + 1
    }

    /// As in a script of pgbench: draws a tenant `t`, and says whose person and which lead.
    pub fn drawn(&self) -> String {
        let Self { tenants, leads_per_tenant, .. } = self;
        format!(
            "\\set t random(0, {})\n\\set n random(0, {})\n\\set tenant {FIRST_TENANT} + :t\n\\set lead :n * {tenants} + :t + 1\n\
             \\set actor {tenants} + :t + 1\n\\set unique random(1, 9000000000000000)\n",
            tenants - 1,
            leads_per_tenant - 1
        )
    }
}

/// The id of a tenant, counted from nought.
pub fn id_of(tenant: u32) -> u32 {
    FIRST_TENANT + tenant
}

/// A connection to a database.
pub async fn connect(url: &SecretString) -> Client {
    let (client, connection) = tokio_postgres::connect(url.expose_secret(), NoTls).await.expect("a connection");
    #[expect(clippy::disallowed_methods, reason = "a bench has no log context to keep")]
    tokio::spawn(connection);
    client
}

/// Fills a migrated database.
pub async fn load(owner: &SecretString, shape: &Shape) {
    let Shape { tenants, users_per_tenant, leads_per_tenant, conversations_per_tenant, messages_per_conversation } =
        shape;
    let passwords = frontdesk::tokens::password::Passwords::new(1).expect("a hasher");
    let hash = passwords.hash(PASSWORD.to_owned().into()).await.expect("a hash");
    let client = connect(owner).await;
    let people = format!(
        "INSERT INTO tenants (id, subdomain, name, created_at, updated_at)
         SELECT {FIRST_TENANT} + t, 'bench-' || t, 'Tenant ' || t, {START}, {START} FROM generate_series(0, {tenants} - 1) t;
         INSERT INTO users (id, tenant_id, email, password_hash, name, role, created_at, updated_at)
         SELECT i + 1, {FIRST_TENANT} + i % {tenants}, format('person%s.%s@bench.example', i / {tenants}, {FIRST_TENANT} + i % {tenants}),
                '{hash}', 'Person ' || i, CASE WHEN i < {tenants} THEN 'TENANT_ADMIN' ELSE 'USER' END, {START}, {START}
         FROM generate_series(0, {tenants} * {users_per_tenant} - 1) i;
         INSERT INTO leads (id, tenant_id, name, email, phone, source, status, notes, created_at, updated_at)
         SELECT i + 1, {FIRST_TENANT} + i % {tenants}, 'Lead ' || i, format('lead.%s@bench.example', i), '+1555' || lpad(i::text, 7, '0'),
                (ARRAY['WEB', 'SMS', 'VOICE', 'EMAIL'])[1 + i % 4], (ARRAY['NEW', 'CONTACTED', 'QUALIFIED', 'WON', 'LOST'])[1 + i % 5],
                CASE WHEN i % 3 = 0 THEN 'Asked about ' || md5(i::text) END, {begun}, {begun}
         FROM generate_series(0, {tenants} * {leads_per_tenant} - 1) i;
         INSERT INTO conversations (id, tenant_id, channel, status, lead_id, subject, created_at, updated_at)
         SELECT i + 1, {FIRST_TENANT} + i % {tenants}, (ARRAY['WEB', 'SMS', 'VOICE', 'EMAIL'])[1 + i % 4],
                (ARRAY['BOT', 'HUMAN', 'CLOSED'])[1 + i % 3], i + 1, CASE WHEN i % 2 = 0 THEN 'About ' || md5(i::text) END, {begun}, {begun}
         FROM generate_series(0, {tenants} * {conversations_per_tenant} - 1) i;",
        begun = at("i"),
    );
    client.batch_execute(&format!("{QUICKLY} {people}")).await.expect("people, leads and conversations");

    // A message after another in all conversations of the hour, the customer's and the assistant's in turn, each answering the last.
    let messages = tenants * conversations_per_tenant * messages_per_conversation;
    let share = messages.div_ceil(LOADERS);
    let loaders = (0..LOADERS).map(|part| async move {
        let (from, to) = (part * share, messages.min((part + 1) * share));
        let insert = format!(
            "{QUICKLY} INSERT INTO messages (id, tenant_id, conversation_id, role, status, content, reply_to_id, created_at, updated_at)
             SELECT i + 1, {FIRST_TENANT} + t, c + 1, CASE WHEN m % 2 = 0 THEN 'CUSTOMER' ELSE 'ASSISTANT' END, 'COMPLETE',
                    format('Message %s of conversation %s: ', m, c) || repeat(md5(i::text) || ' ', 5),
                    CASE WHEN m % 2 = 1 THEN i + 1 - {tenants} END, {at}, {at}
             FROM (SELECT i, i % {tenants} AS t, i / {tenants} % {per} AS m, i / ({tenants} * {per}) * {tenants} + i % {tenants} AS c
                   FROM generate_series({from}, {to} - 1) i) numbered;",
            per = messages_per_conversation,
            at = format_args!("{} + m * interval '1 second'", at("c")),
        );
        connect(owner).await.batch_execute(&insert).await.expect("messages");
    });
    futures_util::future::join_all(loaders).await;

    for table in ["tenants", "users", "leads", "conversations", "messages"] {
        let next = format!("SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))");
        client.batch_execute(&next).await.expect("a sequence");
    }
    // So that nothing of loading is left to do while it is measured.
    client.batch_execute("VACUUM ANALYZE").await.expect("analysed");
    client.batch_execute("CHECKPOINT").await.expect("on the disk");
}

/// Nobody else is there: what refers to what is known to be right, and a crash would begin anew.
const QUICKLY: &str = "SET session_replication_role = replica; SET synchronous_commit = off;";
const START: &str = "timestamptz '2025-01-01 09:00:00Z'";

/// When what has this number through all tenants began: one every twenty seconds, in the past for as many as there are.
fn at(number: &str) -> String {
    format!("{START} + {number} * interval '20 seconds'")
}
