//! The private database of a development start.

use std::{fs, os::unix::fs::PermissionsExt};

use anyhow::Context;

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
    let folder = &config.data_dir;
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    if nix::unistd::geteuid().is_root() {
        let opened = fs::set_permissions(folder, fs::Permissions::from_mode(0o755));
        opened.with_context(|| format!("opening {} to PostgreSQL's user", folder.display()))?;
    }
    let programs = config.database.programs.as_deref();
    EmbeddedPg::start(&folder.join("postgres"), Durability::Kept, programs).map(Some)
}
