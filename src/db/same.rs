//! Whether two ways lead to one database. Names and addresses don't tell: there are proxies and poolers between, and a server that was
//! made of another's backup has all of its names. A lock tells: one that is held in a database is held for whoever comes to it, and
//! nowhere else. Must not change anything.

#![expect(clippy::disallowed_methods, reason = "a lock is asked for, which is in no schema")]

use diesel::{QueryableByName, sql_query, sql_types::Bool};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use secrecy::SecretString;

use crate::{db::connect::Target, tokens::random};

#[derive(QueryableByName)]
struct Asked {
    #[diesel(sql_type = Bool)]
    is_free: bool,
}

/// Whether the owner's URL and the server's lead to one database.
///
/// # Errors
/// When one of them can't be read or reached.
pub async fn is_one(owner: &SecretString, served: &SecretString) -> anyhow::Result<bool> {
    let (owner, served) = (Target::parse("DATABASE_PUBLIC_URL", owner)?, Target::parse("DATABASE_URL", served)?);
    lead_to_one(&mut owner.connect().await?, &mut served.connect().await?).await
}

/// Whether two connections do.
pub(in crate::db) async fn lead_to_one(
    one: &mut AsyncPgConnection,
    other: &mut AsyncPgConnection,
) -> anyhow::Result<bool> {
    // A number that nobody else holds.
    let key = u64::from_be_bytes(random::<8>()?) >> 1;
    // For as long as a transaction, so that no pooler keeps it.
    one.batch_execute(&format!("BEGIN READ ONLY; SELECT pg_advisory_xact_lock({key})")).await?;
    let question = format!("SELECT pg_try_advisory_xact_lock({key}) AS is_free");
    let asked: Asked = sql_query(question).get_result(other).await?;
    one.batch_execute("ROLLBACK").await?;
    Ok(!asked.is_free)
}
