//! The key to a tenant's mailbox: a token for an hour, got anew by one of all who need it. While somebody asks Google for one, the
//! row says so (a lease), so that no lock is held over the network. Must not know what the mailbox is opened for.

use std::time::Duration;

use chrono::TimeDelta;
use secrecy::SecretString;

use crate::{
    channels::google::{Grant, Mailbox, Trouble},
    context::TenantCx,
    db::{
        tables::{
            mailboxes::{self, MailboxChanges, MailboxRow},
            secrets,
        },
        tx::{Tenant, Tx},
    },
    domain::{
        mailbox::{ACCESS_TOKEN, REFRESH_TOKEN, keep},
        vault,
    },
    kernel::failure::Outcome,
};

/// A token that ends sooner is not begun with.
const MARGIN: TimeDelta = TimeDelta::seconds(60);
/// How long whoever gets another token may take.
const LEASE: TimeDelta = TimeDelta::seconds(30);
/// Between two looks whether they have it.
const PAUSE: Duration = Duration::from_millis(200);
/// How often is looked.
const LOOKS: u32 = 60;

/// A mailbox that can be worked in.
#[derive(Clone)]
pub struct Open {
    /// Its address.
    pub address: String,
    /// Which of the tenant's connections it is.
    pub generation: i64,
    /// How far its history was read.
    pub history_id: Option<String>,
    token: SecretString,
}

/// Why a mailbox can't be worked in, or the work did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// None is connected, or its consent is gone.
    NotConnected,
    /// It may work later; after so long, where Google says so.
    Passing(String, Option<Duration>),
    /// It will not work like this.
    Lasting(String),
}

/// Works in the tenant's mailbox. A token that Google no longer takes is changed for another, once; a consent that is gone is
/// noted, for people to see.
///
/// # Errors
/// Faults, and a database that is away.
pub async fn with<T, F>(cx: &TenantCx, work: impl Fn(Mailbox, Open) -> F) -> Outcome<Result<T, Closed>>
where
    F: Future<Output = Result<T, Trouble>>,
{
    let mut is_second = false;
    loop {
        let open = match open(cx).await? {
            Ok(open) => open,
            Err(closed) => return Ok(Err(closed)),
        };
        let generation = open.generation;
        let mailbox = cx.services().google.mailbox(open.token.clone());
        match work(mailbox, open).await {
            Ok(done) => return Ok(Ok(done)),
            Err(Trouble::Stale) if !is_second => {
                is_second = true;
                spoil(cx, generation).await?;
            }
            Err(trouble) => return failed(cx, generation, trouble).await.map(Err),
        }
    }
}

/// What a step on the way to a token found.
enum Step {
    Ready(Open),
    Closed,
    /// Somebody else is getting one.
    Wait,
    /// It is for us to get one, with this.
    Get(i64, SecretString),
}

async fn open(cx: &TenantCx) -> Outcome<Result<Open, Closed>> {
    for _ in 0..LOOKS {
        match cx.write(async |tx| look(cx, tx).await).await? {
            Step::Ready(open) => return Ok(Ok(open)),
            Step::Closed => return Ok(Err(Closed::NotConnected)),
            Step::Wait => tokio::time::sleep(PAUSE).await,
            Step::Get(generation, refresh) => match cx.services().google.refresh(&refresh).await {
                Ok((grant, next)) => store(cx, generation, &grant, next.as_ref()).await?,
                Err(trouble) => return failed(cx, generation, trouble).await.map(Err),
            },
        }
    }
    Ok(Err(Closed::Passing("another token is being got for too long".into(), None)))
}

/// Under the lock of the row.
async fn look(cx: &TenantCx, tx: &mut Tx<Tenant>) -> Outcome<Step> {
    let now = cx.now();
    let Some(row) = mailboxes::lock(tx).await?.filter(MailboxRow::is_open) else { return Ok(Step::Closed) };
    if row.access_expires_at.is_some_and(|until| until > now + MARGIN)
        && let Some(token) = vault::open(cx, tx, ACCESS_TOKEN).await?
    {
        let address = row.connected_address.unwrap_or_default();
        return Ok(Step::Ready(Open { address, generation: row.generation, history_id: row.history_id, token }));
    }
    if row.refresh_lease_until.is_some_and(|until| until > now) {
        return Ok(Step::Wait);
    }
    let Some(refresh) = vault::open(cx, tx, REFRESH_TOKEN).await? else { return Ok(Step::Closed) };
    let lease = MailboxChanges { refresh_lease_until: Some(Some(now + LEASE)), ..unchanged(cx) };
    mailboxes::change(tx, &lease).await?;
    Ok(Step::Get(row.generation, refresh))
}

/// Keeps another token, unless the mailbox was disconnected meanwhile, or connected anew.
async fn store(cx: &TenantCx, generation: i64, grant: &Grant, next: Option<&SecretString>) -> Outcome<()> {
    let lifetime = TimeDelta::from_std(grant.lifetime).unwrap_or_default().max(MARGIN * 2);
    cx.write(async |tx| {
        if !is_still(tx, generation).await? {
            return Ok(());
        }
        keep(cx, tx, ACCESS_TOKEN, &grant.token).await?;
        if let Some(next) = next {
            keep(cx, tx, REFRESH_TOKEN, next).await?;
        }
        let changes = MailboxChanges {
            access_expires_at: Some(Some(cx.now() + lifetime)),
            refresh_lease_until: Some(None),
            ..unchanged(cx)
        };
        mailboxes::change(tx, &changes).await
    })
    .await
}

/// Notes that the token that is kept is not good any more.
async fn spoil(cx: &TenantCx, generation: i64) -> Outcome<()> {
    cx.write(async |tx| {
        if !is_still(tx, generation).await? {
            return Ok(());
        }
        mailboxes::change(tx, &MailboxChanges { access_expires_at: Some(None), ..unchanged(cx) }).await
    })
    .await
}

/// What trouble means for the mailbox.
async fn failed(cx: &TenantCx, generation: i64, trouble: Trouble) -> Outcome<Closed> {
    let reason = match &trouble {
        Trouble::Revoked(reason) => Some(reason.clone()),
        _ => None,
    };
    cx.write(async |tx| {
        if !is_still(tx, generation).await? {
            return Ok(());
        }
        let mut changes = MailboxChanges { refresh_lease_until: Some(None), ..unchanged(cx) };
        if let Some(reason) = reason {
            tracing::warn!(tenant = %cx.scope().tenant(), reason, "a mailbox has to be connected again");
            changes.revoked_at = Some(Some(cx.now()));
            changes.revoked_reason = Some(Some(reason));
            changes.access_expires_at = Some(None);
            changes.watch_expires_at = Some(None);
            changes.watch_renewed_at = Some(None);
            for name in [ACCESS_TOKEN, REFRESH_TOKEN] {
                secrets::remove(tx, cx.scope().tenant(), name).await?;
            }
            cx.audit(tx, "email.revoked", cx.scope().tenant());
        }
        mailboxes::change(tx, &changes).await
    })
    .await?;
    Ok(match trouble {
        Trouble::Revoked(_) => Closed::NotConnected,
        Trouble::Passing(why, wait) | Trouble::Undone(why, wait) => Closed::Passing(why, wait),
        Trouble::Stale => Closed::Passing("Google refuses a fresh token".into(), None),
        Trouble::Missing => Closed::Lasting("it is not there".into()),
        Trouble::Lasting(why) => Closed::Lasting(why),
    })
}

/// Whether a connection stands still, until the transaction ends.
///
/// # Errors
/// Database faults.
pub async fn is_still(tx: &mut Tx<Tenant>, generation: i64) -> Outcome<bool> {
    Ok(mailboxes::lock(tx).await?.is_some_and(|row| row.is_open() && row.generation == generation))
}

fn unchanged(cx: &TenantCx) -> MailboxChanges {
    MailboxChanges { updated_at: cx.now(), ..MailboxChanges::default() }
}
