//! The tenant's mailbox: how it stands, and how it is connected.

use async_graphql::{InputObject, MaybeUndefined, SimpleObject};

use crate::{
    db::tables::provisioning::Provisioned, domain::mailbox::Connection, graph::scalars::DateTime,
    kernel::vocabulary::EmailStatus,
};

/// How the tenant is reached by mail.
#[derive(SimpleObject)]
pub struct EmailSettings {
    /// Whether the assistant answers.
    is_enabled: bool,
    /// The mailbox that is connected.
    connected_address: Option<String>,
    /// When it was connected.
    connected_at: Option<DateTime>,
    /// When Google stops telling us of new mail, unless it is asked again, which is done well before. Null where new mail is
    /// only looked for now and then.
    watch_expires_at: Option<DateTime>,
    /// How the mailbox stands.
    status: EmailStatus,
    /// Why it has to be connected again, if so.
    status_reason: Option<String>,
}

impl EmailSettings {
    pub fn new(is: &Provisioned) -> Self {
        let row = is.settings.email.clone();
        let status = match (&row.connected_address, &row.revoked_reason) {
            (None, _) => EmailStatus::NotConnected,
            (Some(_), None) => EmailStatus::Connected,
            (Some(_), Some(_)) => EmailStatus::ReconnectNeeded,
        };
        Self {
            is_enabled: row.is_enabled,
            connected_address: row.connected_address,
            connected_at: row.connected_at.map(DateTime),
            watch_expires_at: row.watch_expires_at.map(DateTime),
            status,
            status_reason: row.revoked_reason,
        }
    }
}

/// A mailbox that is about to be connected.
#[derive(SimpleObject)]
pub struct EmailConnection {
    /// Google's page, where an administrator gives their consent. It is good for ten minutes. From there they come back to
    /// `returnTo` with `email=connected`, `denied`, `incomplete` (reading or sending was not allowed), `taken` (it is another
    /// tenant's mailbox) or `failed` in its query.
    authorization_url: String,
    /// The state that is in it: of this tenant and this person, for one use.
    state: String,
}

impl From<Connection> for EmailConnection {
    fn from(connection: Connection) -> Self {
        Self { authorization_url: connection.authorization_url, state: connection.state }
    }
}

/// How a mailbox is to be connected.
#[derive(InputObject)]
pub struct StartEmailConnectionInput {
    /// Where to go on from Google, with its scheme: a page of this platform, or of one of the tenant's `allowedOrigins`. Without
    /// one, a plain page of ours says what became of it.
    pub return_to: Option<String>,
}

/// Changes to how the tenant is reached by mail. What is omitted stays.
#[derive(InputObject)]
pub struct EmailSettingsInput {
    /// Whether the assistant answers.
    pub is_enabled: MaybeUndefined<bool>,
}
