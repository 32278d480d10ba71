//! A tenant's mailbox: connected by a consent that an administrator gives at Google, and disconnected again. Must not read mail.

mod access;
mod consent;

use std::time::Duration;

use secrecy::SecretString;

use crate::{
    context::TenantCx,
    db::{
        tables::{
            mailboxes::{self, MailboxChanges, MailboxRow},
            provisioning::Provisioned,
            secrets,
        },
        tx::{Tenant, Tx},
    },
    domain::{
        settings,
        vault::{self, Entrusted},
    },
    kernel::failure::Outcome,
};

pub use access::{Closed, Open, is_still, with};
pub use consent::{Arrival, Became, Connection, finish, start};

/// How long is waited for Gmail to take in that nothing more is wanted of it.
const FAREWELL: Duration = Duration::from_secs(3);
/// The lane of what is done in a tenant's mailbox: one look after the other. That of pushes, too.
pub const LANE: &str = "from:mailbox";
/// The name under which the token that gets others is kept.
const REFRESH_TOKEN: &str = "gmail_refresh_token";
/// The name under which the token that opens the mailbox is kept.
const ACCESS_TOKEN: &str = "gmail_access_token";

/// Disconnects the tenant's mailbox: its tokens are forgotten, and given back to Google as far as it can be reached.
///
/// # Errors
/// Faults only; where none is connected, nothing changes.
pub async fn disconnect(cx: &TenantCx) -> Outcome<Provisioned> {
    let (is, tokens) = cx
        .write(async |tx| {
            let Some(row) = mailboxes::lock(tx).await?.filter(|row| row.connected_address.is_some()) else {
                return Ok((settings::now(tx, cx.scope().tenant()).await?, Tokens::default()));
            };
            let tokens = forget(cx, tx).await?;
            mailboxes::change(tx, &closed(cx, &row)).await?;
            cx.audit(tx, "email.disconnect", cx.scope().tenant());
            Ok((settings::now(tx, cx.scope().tenant()).await?, tokens))
        })
        .await?;
    // Boxed: each mutation's future would have room for it.
    Box::pin(give_back(cx, tokens)).await;
    Ok(is)
}

/// Everything of a mailbox cleared.
fn closed(cx: &TenantCx, row: &MailboxRow) -> MailboxChanges {
    MailboxChanges {
        connected_address: Some(None),
        connected_at: Some(None),
        connected_by: Some(None),
        generation: Some(row.generation + 1),
        revoked_at: Some(None),
        revoked_reason: Some(None),
        history_id: Some(None),
        access_expires_at: Some(None),
        refresh_lease_until: Some(None),
        watch_expires_at: Some(None),
        watch_renewed_at: Some(None),
        updated_at: cx.now(),
    }
}

/// What was known to open a mailbox.
#[derive(Default)]
struct Tokens {
    access: Option<SecretString>,
    refresh: Option<SecretString>,
}

/// Forgets the tokens, and gives them for the last time.
async fn forget(cx: &TenantCx, tx: &mut Tx<Tenant>) -> Outcome<Tokens> {
    let tokens = Tokens {
        access: vault::open(cx, tx, ACCESS_TOKEN).await.unwrap_or_default(),
        refresh: vault::open(cx, tx, REFRESH_TOKEN).await.unwrap_or_default(),
    };
    for name in [ACCESS_TOKEN, REFRESH_TOKEN] {
        secrets::remove(tx, cx.scope().tenant(), name).await?;
    }
    Ok(tokens)
}

/// Tells Google that we want nothing more of a mailbox. It is gone for us anyway: what fails is logged. The consent first, since
/// somebody waits, and may not for both; without it no watch goes on for long.
async fn give_back(cx: &TenantCx, tokens: Tokens) {
    let google = &cx.services().google;
    if let Some(token) = tokens.refresh
        && let Err(trouble) = google.revoke(&token).await
    {
        tracing::warn!(%trouble, "a consent could not be given back");
    }
    if let Some(token) = tokens.access {
        let stopped = tokio::time::timeout(FAREWELL, google.mailbox(token).stop()).await;
        if !matches!(stopped, Ok(Ok(()))) {
            tracing::info!(?stopped, "a mailbox goes on telling of mail until its watch ends");
        }
    }
}

async fn keep(cx: &TenantCx, tx: &mut Tx<Tenant>, name: &'static str, value: &SecretString) -> Outcome<()> {
    // Nobody tells such tokens apart by their ends.
    let secret = Entrusted { name, value: value.clone(), last_four: None };
    vault::keep(cx.services(), tx, cx.scope().tenant(), &secret).await
}
