//! The plain role that the server signs in with: made, and given what it needs. Must not know any table of ours.

use std::time::Duration;

use anyhow::{bail, ensure};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use secrecy::{ExposeSecret, SecretString};

use crate::{db::connect::Target, tokens::hmac_sha256};

/// Two nodes that start together migrate, and make the login, one after the other.
pub(in crate::db) const LOCK: i64 = 0x0046_726f_6e74_6465;
/// The role that development signs in with.
const APP_ROLE: &str = "frontdesk_app";

/// Development's own plain role, so that the guard holds there too. The password follows from the administrator's, so
/// that two nodes on one database agree without talking.
pub(in crate::db) async fn plain_login(
    target: &Target,
    url: &SecretString,
    connection: &mut AsyncPgConnection,
) -> anyhow::Result<SecretString> {
    let password =
        target.config().get_password().map(|secret| hex::encode(hmac_sha256(secret, b"frontdesk_app login")));
    let login = target.with_login(APP_ROLE, password.as_deref());
    let works = match login.connect().await {
        Ok(mut connection) => can_take_roles(&mut connection).await,
        Err(_) => false,
    };
    if !works {
        make_login(connection, APP_ROLE, password.as_deref()).await?;
    }
    with_user(url, APP_ROLE, password.as_deref())
}

async fn can_take_roles(connection: &mut AsyncPgConnection) -> bool {
    connection
        .batch_execute(
            "BEGIN; SET LOCAL ROLE frontdesk_worker; ROLLBACK; \
             SELECT count(*) FROM __diesel_schema_migrations",
        )
        .await
        .is_ok()
}

/// Makes the role that the server signs in with, or gives it what it needs.
pub(in crate::db) async fn make_login(
    connection: &mut AsyncPgConnection,
    name: &str,
    password: Option<&str>,
) -> anyhow::Result<()> {
    let quoted = format!("\"{}\"", name.replace('"', "\"\""));
    let literal = name.replace('\'', "''");
    let password = password.map_or_else(String::new, |password| {
        format!("ALTER ROLE {quoted} PASSWORD '{}';", password.replace('\'', "''"))
    });
    let batch = format!(
        "SELECT pg_advisory_xact_lock({LOCK});
         DO $$ BEGIN
             IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{literal}') THEN
                 CREATE ROLE {quoted} LOGIN NOINHERIT NOCREATEDB NOCREATEROLE;
             END IF;
         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
         END $$;
         ALTER ROLE {quoted} LOGIN NOINHERIT;
         {password}
         GRANT frontdesk_tenant, frontdesk_admin, frontdesk_identity, frontdesk_worker TO {quoted};
         GRANT SELECT ON __diesel_schema_migrations TO {quoted};"
    );
    // Roles are the cluster's, and the lock is the database's: a node on another database may be at it too, and
    // PostgreSQL then refuses one of the two.
    for patience in [50, 100, 200, 400, 800] {
        match connection.batch_execute(&batch).await {
            Ok(()) => return Ok(()),
            Err(error) if error.to_string().contains("concurrently updated") => {
                tokio::time::sleep(Duration::from_millis(patience)).await;
            }
            Err(error) => bail!("making the login role `{name}`: {error}"),
        }
    }
    bail!("making the login role `{name}`: other nodes are changing it all the time")
}

fn with_user(url: &SecretString, user: &str, password: Option<&str>) -> anyhow::Result<SecretString> {
    let text = url.expose_secret();
    if let Ok(mut parsed) = url::Url::parse(text) {
        let changed = parsed.set_username(user).and_then(|()| parsed.set_password(password));
        ensure!(changed.is_ok(), "DATABASE_URL can't carry another user name");
        return Ok(parsed.to_string().into());
    }
    // `key=value` form: a later key wins.
    let password = password.map_or_else(String::new, |password| format!(" password={password}"));
    Ok(format!("{text} user={user}{password}").into())
}
