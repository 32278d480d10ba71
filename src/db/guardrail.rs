//! The start-up check: the role that the server signs in with must not be able to walk around row-level security, and
//! every table must stand behind it. Must not repair anything: it looks and says.

#![expect(clippy::disallowed_methods, reason = "asks the catalogue, which has no typed schema")]

use diesel::{
    QueryableByName, sql_query,
    sql_types::{Bool, Int4, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// Oldest PostgreSQL that the migrations run on (`ON DELETE SET NULL (column)`).
const OLDEST_SERVER: i32 = 150_000;

/// Tables that need no policy, each with its reason.
pub(in crate::db) const WITHOUT_POLICY: &[(&str, &str)] =
    &[("__diesel_schema_migrations", "names of migrations; nothing of any tenant")];

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
    version: i32,
}

impl Login {
    pub(in crate::db) async fn inspect(connection: &mut AsyncPgConnection) -> anyhow::Result<Self> {
        let login = sql_query(
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
        .await?;
        anyhow::ensure!(
            login.version >= OLDEST_SERVER,
            "PostgreSQL {} is too old; Frontdesk needs 15 or newer",
            login.version / 10_000
        );
        Ok(login)
    }

    /// Every way in which this login could pass row-level security by; empty is right.
    pub(in crate::db) fn dangers(&self) -> Vec<&'static str> {
        if self.is_superuser {
            // Which may do all of the rest.
            return vec!["it is a superuser"];
        }
        [
            (self.bypasses_rls, "it has BYPASSRLS, or may take a role that has"),
            (self.makes_roles, "it may make and grant roles"),
            (self.owns_tables, "it owns tables, or may take the role that does, so it could switch their policies off"),
            (self.inherits, "it inherits the frontdesk roles, so a forgotten role would be data instead of an error"),
        ]
        .into_iter()
        .filter_map(|(is_so, what)| is_so.then_some(what))
        .collect()
    }
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
