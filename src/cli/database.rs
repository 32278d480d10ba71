//! The private database of a development start.

use std::os::unix::fs::PermissionsExt;

use crate::{
    config::{Config, Environment},
    db::embedded::{Durability, EmbeddedPg},
};

/// Starts it, unless `DATABASE_URL` names another.
pub(super) fn private(config: &Config) -> anyhow::Result<Option<EmbeddedPg>> {
    if config.database.url.is_some() || config.environment == Environment::Production {
        return Ok(None);
    }
    // PostgreSQL runs as a user of its own where we are root, and must be able to walk through.
    std::fs::create_dir_all(&config.data_dir)?;
    if nix::unistd::geteuid().is_root() {
        std::fs::set_permissions(&config.data_dir, std::fs::Permissions::from_mode(0o755))?;
    }
    let programs = config.database.programs.as_deref();
    EmbeddedPg::start(&config.data_dir.join("postgres"), Durability::Kept, programs).map(Some)
}
