//! What of a tenant is set up: its settings, its secrets, its people, its prompt. Read together, from several tables, for
//! several tenants at once. Must not read any secret, or any text of a prompt.

use std::collections::HashMap;

use crate::{
    db::{
        tables::{
            prompts,
            secrets::{self, SecretRow},
            settings::{self, SettingsRow},
            users,
        },
        tx::{Tx, Viewpoint},
    },
    kernel::{failure::Outcome, ids::TenantId},
};

/// What of one tenant is set up.
#[derive(Debug, Clone, Default)]
pub struct Provisioned {
    /// Its settings.
    pub settings: SettingsRow,
    /// Its secrets that are set.
    pub secrets: Vec<SecretRow>,
    /// It has an active administrator of its own.
    pub has_administrator: bool,
    /// It has a prompt bundle of its own in production.
    pub has_prompt: bool,
}

impl Provisioned {
    /// The secret of this name, if it is set.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<&SecretRow> {
        self.secrets.iter().find(|secret| secret.name == name)
    }
}

/// What of each of several tenants is set up, in four statements.
///
/// # Errors
/// Database faults.
pub async fn find_many<V: Viewpoint>(tx: &mut Tx<V>, ids: &[TenantId]) -> Outcome<HashMap<TenantId, Provisioned>> {
    let settings = settings::find_many(tx, ids).await?;
    let mut found: HashMap<TenantId, Provisioned> =
        settings.into_iter().map(|(id, settings)| (id, Provisioned { settings, ..Provisioned::default() })).collect();
    for secret in secrets::statuses(tx, ids).await? {
        if let Some(tenant) = found.get_mut(&secret.tenant_id) {
            tenant.secrets.push(secret);
        }
    }
    for id in users::administered(tx, ids).await? {
        found.entry(id).or_default().has_administrator = true;
    }
    for id in prompts::prompted(tx, ids).await? {
        found.entry(id).or_default().has_prompt = true;
    }
    Ok(found)
}
