//! `DATABASE_…`: which database, by which login, and its copy.

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;

use crate::config::reader::Reader;

/// The database.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// `DATABASE_URL`; none for the private one.
    pub url: Option<SecretString>,
    /// `PG_BIN_DIR`: where the programs of the private one are; looked for, if unset.
    pub programs: Option<PathBuf>,
    /// `DATABASE_PUBLIC_URL`: the owner's, for migrations.
    pub owner_url: Option<SecretString>,
    /// `DATABASE_REPLICA_URL`: a copy that queries are read from.
    pub replica_url: Option<SecretString>,
    /// `DATABASE_POOL_SIZE`.
    pub pool_size: usize,
    /// `IDENTITY_CACHE_MILLISECONDS`: how long is believed what was read of a caller.
    pub callers_believed: Duration,
    /// `MIGRATE_ON_START`.
    pub migrate_on_start: bool,
}

pub(super) fn read(read: &mut Reader<'_>, is_production: bool) -> DatabaseConfig {
    DatabaseConfig {
        url: database_url(read, is_production),
        programs: read.text("PG_BIN_DIR").map(PathBuf::from),
        owner_url: read.postgres_url("DATABASE_PUBLIC_URL"),
        replica_url: read.postgres_url("DATABASE_REPLICA_URL"),
        pool_size: read.number("DATABASE_POOL_SIZE", 16, 2..=500),
        callers_believed: Duration::from_millis(read.number("IDENTITY_CACHE_MILLISECONDS", 1_000, 0..=2_000)),
        migrate_on_start: read.switch("MIGRATE_ON_START", true),
    }
}

fn database_url(read: &mut Reader<'_>, is_production: bool) -> Option<SecretString> {
    let url = read.postgres_url("DATABASE_URL");
    if url.is_none() && read.text("DATABASE_URL").is_none() {
        if is_production {
            read.problem("DATABASE_URL", "is missing; production has no private database");
        } else if read.text("DATABASE_PUBLIC_URL").is_some() {
            // The private one has no other owner: migrations would run elsewhere.
            read.problem("DATABASE_URL", "is missing beside DATABASE_PUBLIC_URL; name the same database in both");
        }
    }
    url
}
