//! Looks into a mailbox: what came in since the last look becomes messages, one transaction each, and then the place is noted.
//! And looks after it: once a day Gmail is asked to go on telling, and now and then it is looked into unasked, since what Gmail
//! tells may be lost. Must not send mail.

use std::sync::Arc;

use chrono::TimeDelta;

use crate::{
    channels::google::{Body, Changes, Mailbox, Trouble, Watch},
    context::{RequestId, Services, TenantCx},
    db::{
        identity,
        tables::{
            mailboxes::{self, MailboxChanges, MailboxRow},
            mails as rows,
            messages::MessageRow,
        },
        tx::{Tenant, Tx},
    },
    domain::{
        jobs::{self, Job},
        mailbox::{self, Closed, LANE, Open},
        mails::{self, Letter},
    },
    kernel::failure::{Failure, Outcome},
    work::{
        Tools,
        held::{Held, Verdict},
    },
};

/// Mails that may fail in one look: of more, it is not the mails that are at fault.
const FAILURES_MAX: usize = 5;
/// The same where Google gives others: those that it would not give keep nobody behind them waiting.
const LATE_MAX: usize = 30;
/// Between two looks that nobody asked for.
const ROUND: TimeDelta = TimeDelta::minutes(20);
/// Between two times that Gmail is asked to go on telling; it does so for seven days.
const RENEWAL: TimeDelta = TimeDelta::hours(24);

const UNREADABLE: &str = "it can't be read";

/// What there is to look at.
struct News {
    generation: i64,
    changes: Changes,
}

/// Takes in what came since the last look, on account of a push or of [`care`].
pub(super) async fn sync(tools: &Tools, cx: &TenantCx, held: &Held<'_>) -> Outcome<Verdict> {
    let news = match mailbox::with(cx, news).await? {
        Ok(news) => news,
        Err(Closed::NotConnected) => return held.let_it_be().await,
        Err(Closed::Passing(why, wait)) => return Ok(Verdict::Later(why, wait)),
        Err(Closed::Lasting(why)) => return Ok(Verdict::Never(why)),
    };
    let known = cx.read(async |tx| rows::known(tx, &news.changes.added).await).await?;
    let (mut failed, mut late) = (Vec::new(), Vec::new());
    // Whether Google gives mail, now or in looks before from this place. Where it gave none, only the last try looks behind so few.
    let mut gives = !known.is_empty() || held.is_last_try();
    let mut is_all = true;
    for id in news.changes.added.iter().filter(|id| !known.contains(id)) {
        match taken_in(cx, news.generation, id).await {
            Ok(Ok(message)) => {
                gives = true;
                if let Some(message) = message {
                    tools.engine.tell(cx, &message);
                }
            }
            Ok(Err(Closed::NotConnected)) => return held.let_it_be().await,
            // Google wants to be left alone, whichever mail it is.
            Ok(Err(Closed::Passing(why, wait @ Some(_)))) => return Ok(Verdict::Later(why, wait)),
            Ok(Err(Closed::Passing(why, None))) => late.push((id, why)),
            Ok(Err(Closed::Lasting(why))) => failed.push((id, why)),
            Err(failure) => {
                tracing::error!(mail = %id, ?failure, "a mail could not be taken in");
                failed.push((id, "a fault of ours; see the server's log".to_owned()));
            }
        }
        let most = if gives { LATE_MAX } else { FAILURES_MAX };
        is_all = failed.len() < FAILURES_MAX && failed.len() + late.len() < most;
        if !is_all {
            break;
        }
    }
    cx.services().work.notify_one();
    // The place stays where it was, and those that were taken in are known by then: the others are looked at again.
    if let Some((_, why)) = failed.first().or(late.first()).filter(|_| !held.is_last_try()) {
        return Ok(Verdict::Later(why.clone(), None));
    }
    let (late, old) = by_age(cx, late).await?;
    failed.extend(old);
    cx.write(async |tx| {
        for (id, why) in &failed {
            tracing::error!(mail = %id, %why, "a mail that could not be taken in, however often, is passed over");
            mails::pass_over(cx, tx, id, UNREADABLE).await?;
        }
        if let Some((id, why)) = late.first() {
            // The next look begins at the same place. This one has done what it could, and stands in nobody's way.
            tracing::warn!(mail = %id, %why, late = late.len(), "a mail that Google would not give is asked for again later");
        } else if is_all {
            mails::read_to(cx, tx, news.generation, &news.changes.history_id).await?;
        }
        held.done(tx).await
    })
    .await
}

/// A mail that was not had, and why.
type Missed<'i> = (&'i String, String);

/// Mails that Google would not give yet: those that are waited for, and those that are too old for it, or were thrown away. Where it
/// does not say which, all are waited for.
async fn by_age<'i>(cx: &TenantCx, missed: Vec<Missed<'i>>) -> Outcome<(Vec<Missed<'i>>, Vec<Missed<'i>>)> {
    if missed.is_empty() {
        return Ok((missed, Vec::new()));
    }
    let young = mailbox::with(cx, |mailbox, _| async move { mailbox.young().await }).await?.ok();
    let is_young = |id: &String| young.as_ref().is_none_or(|young| young.contains(id));
    Ok(missed.into_iter().partition(|(id, _)| is_young(id)))
}

/// Takes one mail in. `None` where it is not for the assistant, or will never be read.
async fn taken_in(cx: &TenantCx, generation: i64, id: &str) -> Outcome<Result<Option<MessageRow>, Closed>> {
    let letter = match mailbox::with(cx, |mailbox, open| letter(mailbox, open, id)).await? {
        Ok(Some(letter)) => letter,
        // Deleted meanwhile.
        Ok(None) => return Ok(Ok(None)),
        Err(Closed::Lasting(why)) => {
            tracing::warn!(%why, "a mail that can't be read is passed over");
            cx.write(async |tx| mails::pass_over(cx, tx, id, UNREADABLE).await).await?;
            return Ok(Ok(None));
        }
        Err(closed) => return Ok(Err(closed)),
    };
    cx.write(async |tx| hear(cx, tx, generation, &letter).await).await.map(Ok)
}

/// Mail of a mailbox that was disconnected meanwhile is nobody's.
async fn hear(cx: &TenantCx, tx: &mut Tx<Tenant>, generation: i64, letter: &Letter) -> Outcome<Option<MessageRow>> {
    if mailbox::is_still(tx, generation).await? { mails::hear(cx, tx, letter).await } else { Ok(None) }
}

/// From the place that was noted, not the one that a push names: nothing in between is lost. Where Gmail no longer knows that
/// place, what lies in the inbox is looked through.
async fn news(mailbox: Mailbox, open: Open) -> Result<News, Trouble> {
    let since = match &open.history_id {
        Some(history_id) => mailbox.since(history_id).await,
        None => Err(Trouble::Missing),
    };
    let changes = match since {
        Err(Trouble::Missing) => mailbox.recent().await?,
        since => since?,
    };
    Ok(News { generation: open.generation, changes })
}

/// A mail, read. `None` when it is gone.
async fn letter(mailbox: Mailbox, open: Open, id: &str) -> Result<Option<Letter>, Trouble> {
    let message = match mailbox.message(id).await {
        Err(Trouble::Missing) => return Ok(None),
        message => message?,
    };
    let mail = message.mail(&open.address);
    if mail.unanswerable.is_some() {
        return Ok(Some(Letter { message, mail, text: None }));
    }
    let (message, body) = aside(move || {
        let body = message.body();
        (message, body)
    })
    .await?;
    let (message, text) = match body {
        Body::Said(text) => (message, Some(text)),
        Body::Apart(part) => {
            let bytes = mailbox.part(id, &part).await?;
            aside(move || {
                let text = message.read(&part, &bytes);
                (message, text)
            })
            .await?
        }
        Body::Nothing => (message, None),
    };
    Ok(Some(Letter { message, mail, text }))
}

/// Reads where it keeps nobody waiting: a long page takes a while.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Trouble> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Trouble::Lasting("a mail that can't be read".into()))
}

/// Looks after a mailbox, and puts the next time in line, as long as this connection lasts.
pub(super) async fn care(cx: &TenantCx, held: &Held<'_>, generation: i64) -> Outcome<Verdict> {
    let is_it = |row: &MailboxRow| row.is_open() && row.generation == generation;
    let Some(row) = cx.read(async |tx| mailboxes::find(tx).await).await?.filter(is_it) else {
        return held.let_it_be().await;
    };
    let is_due = row.watch_renewed_at.is_none_or(|at| cx.now() - at >= RENEWAL);
    let watch = if is_due && cx.services().google.watches() { watched(cx).await? } else { None };
    let verdict = cx.write(async |tx| {
        let Some(row) = mailboxes::lock(tx).await?.filter(is_it) else { return held.done(tx).await };
        if let Some(watch) = watch {
            let changes = MailboxChanges {
                watch_expires_at: Some(Some(watch.expires_at)),
                watch_renewed_at: Some(Some(cx.now())),
                updated_at: cx.now(),
                ..MailboxChanges::default()
            };
            mailboxes::change(tx, &changes).await?;
        }
        // A push that waits, or the look of another round, begins at the same place. One that is under way may be past it.
        if !jobs::is_waiting(tx, LANE).await? {
            jobs::enqueue(cx, tx, Some(LANE.to_owned()), &Job::MailboxSync).await?;
        }
        let next = Job::MailboxCare { generation: row.generation };
        // In no lane: it would stop it until it is due.
        jobs::enqueue_at(cx, tx, None, &next, cx.now() + ROUND).await?;
        held.done(tx).await
    });
    let verdict = verdict.await?;
    cx.services().work.notify_one();
    Ok(verdict)
}

/// Has every open mailbox looked after: where the job that does so died, or went away, another takes its place.
pub(super) async fn tend(services: &Arc<Services>) {
    let kind = Job::MailboxCare { generation: 0 }.kind();
    let untended = match services.db.housekeep(async |tx| mailboxes::untended(tx, kind).await).await {
        Ok(untended) => untended,
        Err(failure) => return tracing::warn!(?failure, "mailboxes could not be looked through"),
    };
    for (tenant, generation) in untended {
        let cx = TenantCx::new(identity::server_work(tenant), services.clone(), RequestId("mailbox-care".into()));
        let begun = cx.write(async |tx| {
            // Under the row's lock: of two nodes, one puts it in line.
            if mailbox::is_still(tx, generation).await? && !mailboxes::is_tended(tx, kind).await? {
                tracing::error!(%tenant, "nobody looked after a mailbox; somebody does again");
                jobs::enqueue(&cx, tx, None, &Job::MailboxCare { generation }).await?;
            }
            Ok::<_, Failure>(())
        });
        if let Err(failure) = begun.await {
            tracing::warn!(%tenant, ?failure, "nobody looks after a mailbox");
        }
    }
}

/// What fails here is tried again with the next round, days before it matters.
async fn watched(cx: &TenantCx) -> Outcome<Option<Watch>> {
    match mailbox::with(cx, |mailbox, _| async move { mailbox.watch().await }).await? {
        Ok(watch) => Ok(watch),
        Err(closed) => {
            tracing::warn!(tenant = %cx.scope().tenant(), ?closed, "a mailbox's watch could not be renewed");
            Ok(None)
        }
    }
}
