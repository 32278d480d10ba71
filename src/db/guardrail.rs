//! The start-up check: the role that the server signs in with must not be able to walk around row-level security, and
//! every table must stand behind it. Must not repair anything: it looks and says.

#![expect(clippy::disallowed_methods, reason = "asks the catalogue, which has no typed schema")]

use diesel::{
    QueryableByName, sql_query,
    sql_types::{Bool, Int4, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// Oldest PostgreSQL that the migrations run on (`ON DELETE SET NULL (column)`).
pub(in crate::db) const OLDEST_SERVER: i32 = 150_000;

/// Tables that need no policy, each with its reason.
pub(in crate::db) const WITHOUT_POLICY: &[(&str, &str)] =
    &[("__diesel_schema_migrations", "names of migrations; nothing of any tenant")];

/// Tables that a visitor's transaction may read as its tenant's does, each with its reason.
const OPEN_TO_VISITORS: &[(&str, &str)] =
    &[("tenants", "what comes in may be weighed against the tenant's quota"), ("usage_entries", "as above")];

#[derive(QueryableByName)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own to the catalogue")]
pub(in crate::db) struct Login {
    #[diesel(sql_type = Text)]
    pub(in crate::db) name: String,
    #[diesel(sql_type = Bool)]
    pub(in crate::db) is_superuser: bool,
    #[diesel(sql_type = Bool)]
    bypasses_rls: bool,
    #[diesel(sql_type = Bool)]
    pub(in crate::db) makes_roles: bool,
    #[diesel(sql_type = Bool)]
    owns_tables: bool,
    #[diesel(sql_type = Bool)]
    inherits: bool,
    #[diesel(sql_type = Int4)]
    pub(in crate::db) version: i32,
}

/// A way in which a login could pass row-level security by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Danger {
    /// A word for it.
    pub name: &'static str,
    /// What is so, with the login as `it`.
    pub what: &'static str,
}

impl Login {
    /// Who is signed in, on a PostgreSQL that the program can work with.
    pub(in crate::db) async fn inspect(connection: &mut AsyncPgConnection) -> anyhow::Result<Self> {
        let login = Self::of(connection).await?;
        anyhow::ensure!(
            login.version >= OLDEST_SERVER,
            "PostgreSQL {} is too old; Frontdesk needs 15 or newer",
            login.version / 10_000
        );
        Ok(login)
    }

    /// Who is signed in, on whichever PostgreSQL.
    pub(in crate::db) async fn of(connection: &mut AsyncPgConnection) -> diesel::QueryResult<Self> {
        sql_query(
            "SELECT rolname::text AS name, rolsuper AS is_superuser, EXISTS (SELECT FROM pg_roles r WHERE (r.rolbypassrls OR r.rolsuper) \
                            AND pg_has_role(current_user, r.oid, 'MEMBER')) AS bypasses_rls, \
                    rolsuper OR rolcreaterole AS makes_roles, \
                    EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                            WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') \
                              AND pg_has_role(current_user, c.relowner, 'MEMBER')) AS owns_tables, \
                    EXISTS (SELECT FROM pg_roles f WHERE f.rolname LIKE 'frontdesk\\_%' AND NOT f.rolcanlogin \
                              AND pg_has_role(current_user, f.oid, 'USAGE')) AS inherits, \
                    current_setting('server_version_num')::int AS version \
             FROM pg_roles WHERE rolname = current_user",
        )
        .get_result::<Self>(connection)
        .await
    }

    /// Every way in which this login could pass row-level security by; empty is right.
    pub(in crate::db) fn dangers(&self) -> Vec<Danger> {
        if self.is_superuser {
            // Which may do all of the rest.
            return vec![Danger { name: "superuser", what: "it is a superuser" }];
        }
        let bypasses = "it has BYPASSRLS, or may take a role that has";
        let owns = "it owns tables, or may take the role that does, so it could switch their policies off";
        let inherits = "it inherits the frontdesk roles, so a forgotten role would be data instead of an error";
        [
            (self.bypasses_rls, "bypasses-rls", bypasses),
            (self.makes_roles, "makes-roles", "it may make and grant roles"),
            (self.owns_tables, "owns-tables", owns),
            (self.inherits, "inherits-roles", inherits),
        ]
        .into_iter()
        .filter_map(|(is_so, name, what)| is_so.then_some(Danger { name, what }))
        .collect()
    }
}

/// What a table leaves open.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Gap {
    /// The table.
    #[diesel(sql_type = Text)]
    pub table: String,
    /// A word for what is wrong: `rls-off`, `rls-not-forced`, `policy-missing`, `policy-too-wide`, `visitor-policy-missing`.
    #[diesel(sql_type = Text)]
    pub fault: String,
    /// The role whose policy it is about, if it is about one.
    #[diesel(sql_type = Text)]
    pub role: String,
}

/// What each table leaves open, looked at more closely than a start does: policies one by one. A role may read a table only by a
/// policy for it; a tenant's binds rows to `app_tenant_id()`, and another narrows them to a visitor's conversation.
pub(in crate::db) async fn gaps(connection: &mut AsyncPgConnection) -> diesel::QueryResult<Vec<Gap>> {
    let gaps = sql_query(
        "WITH t AS (SELECT c.oid, c.relname::text AS name, c.relrowsecurity AS is_on, c.relforcerowsecurity AS is_forced \
                    FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')), \
              r AS (SELECT oid, rolname::text AS name, rolname = 'frontdesk_tenant' AS is_tenants FROM pg_roles WHERE rolname IN \
                    ('frontdesk_tenant', 'frontdesk_admin', 'frontdesk_identity', 'frontdesk_worker')), \
              g AS (SELECT t.oid AS t, t.name AS table, r.oid AS r, r.name AS role, r.is_tenants FROM t CROSS JOIN r \
                    WHERE has_any_column_privilege(r.oid, t.oid, 'SELECT')), \
              p AS (SELECT polrelid, polpermissive, polroles, polcmd IN ('r', '*') AS is_read, \
                           pg_get_expr(polqual, polrelid) AS sees, pg_get_expr(polwithcheck, polrelid) AS writes FROM pg_policy) \
         SELECT t.name AS table, 'rls-off' AS fault, '' AS role FROM t WHERE NOT is_on \
         UNION ALL SELECT t.name, 'rls-not-forced', '' FROM t WHERE is_on AND NOT is_forced \
         UNION ALL SELECT g.table, 'policy-missing', g.role FROM g WHERE NOT EXISTS (SELECT FROM p WHERE p.polrelid = g.t \
             AND p.polpermissive AND p.is_read AND p.polroles && ARRAY[g.r, 0::oid] \
             AND (NOT g.is_tenants OR p.sees LIKE '%app_tenant_id%')) \
         UNION ALL SELECT g.table, 'policy-too-wide', g.role FROM g WHERE g.is_tenants AND EXISTS (SELECT FROM p \
             WHERE p.polrelid = g.t AND p.polpermissive AND p.polroles && ARRAY[g.r, 0::oid] AND 'true' IN (p.sees, p.writes)) \
         UNION ALL SELECT g.table, 'visitor-policy-missing', g.role FROM g WHERE g.is_tenants AND NOT EXISTS (SELECT FROM p \
             WHERE p.polrelid = g.t AND NOT p.polpermissive AND p.is_read AND p.sees LIKE '%app_conversation_id%') \
         ORDER BY 1, 2, 3",
    )
    .load::<Gap>(connection)
    .await?;
    let has_reason = |gap: &Gap| {
        let listed = if gap.fault == "visitor-policy-missing" { OPEN_TO_VISITORS } else { WITHOUT_POLICY };
        listed.iter().any(|(table, _)| *table == gap.table)
    };
    Ok(gaps.into_iter().filter(|gap| !has_reason(gap)).collect())
}

#[derive(QueryableByName)]
struct Right {
    #[diesel(sql_type = Bool)]
    may_migrate: bool,
}

/// Whether the login may make tables, and alter those that are there.
pub(in crate::db) async fn may_migrate(connection: &mut AsyncPgConnection) -> diesel::QueryResult<bool> {
    let question = "SELECT has_schema_privilege('public', 'CREATE') AND coalesce((SELECT pg_has_role(relowner, 'USAGE') FROM pg_class \
                    WHERE oid = to_regclass('public.__diesel_schema_migrations')), true) AS may_migrate";
    Ok(sql_query(question).get_result::<Right>(connection).await?.may_migrate)
}

#[derive(QueryableByName)]
struct Writing {
    #[diesel(sql_type = Bool)]
    is_standby: bool,
    #[diesel(sql_type = Bool)]
    only_reads: bool,
}

/// Why a database takes no writes, in words that follow its name; `None` where it takes them. It says what a transaction of its own
/// would be, whichever this is asked in.
pub(in crate::db) async fn unwritable(connection: &mut AsyncPgConnection) -> diesel::QueryResult<Option<&'static str>> {
    let question = "SELECT pg_is_in_recovery() AS is_standby, \
                    current_setting('default_transaction_read_only')::bool AS only_reads";
    let writing = sql_query(question).get_result::<Writing>(connection).await?;
    Ok(match writing {
        Writing { is_standby: true, .. } => Some("takes no writes: it is a standby"),
        Writing { only_reads: true, .. } => Some("takes no writes: default_transaction_read_only is on"),
        _ => None,
    })
}

#[derive(QueryableByName)]
struct Table {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Names of tables that neither stand behind a forced policy nor on the short list.
pub(in crate::db) async fn unguarded_tables(connection: &mut AsyncPgConnection) -> anyhow::Result<Vec<String>> {
    let open = sql_query(
        "SELECT c.relname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') \
           AND NOT (c.relrowsecurity AND c.relforcerowsecurity \
                    AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)) \
         ORDER BY 1",
    )
    .load::<Table>(connection)
    .await?;
    Ok(open
        .into_iter()
        .map(|table| table.name)
        .filter(|name| !WITHOUT_POLICY.iter().any(|(listed, _)| listed == name))
        .collect())
}
