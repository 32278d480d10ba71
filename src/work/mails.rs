//! Sends a reply by mail. It is noted as being sent before Gmail is asked; where Gmail's answer was lost, or we died over it, the
//! thread is looked through for it before it is sent again. Where the mail is old, it is looked through for a person's answer
//! first. What Gmail did not take is in line again. While no mailbox is connected, it waits for one. Must not know what it says.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::TryFutureExt;
use tracing::{Instrument, field::Empty};
use uuid::Uuid;

use crate::{
    channels::google::{Mailbox, Reply, Trouble},
    context::TenantCx,
    db::{
        tables::{
            mailboxes,
            mails::{self, Progress, ReceivedRow, ReplyRow, ThreadRow},
            messages, tenants,
        },
        tx::{Tenant, Tx},
    },
    domain::mailbox::{self, Closed, Open},
    kernel::{
        failure::{Outcome, Refusal},
        trace,
        vocabulary::{MailStatus, MessageRole},
    },
    work::held::{Held, Verdict},
};

const UNCONNECTED: &str = "No mailbox is connected, or it has to be connected again.";

const UNSURE: &str = "It may have been sent.";
const BY_HAND: &str = "A person answered meanwhile.";
const CLOSED: &str = "The business is deactivated.";
const ELSEWHERE: &str = "Its thread is not in the mailbox.";
/// After which a mail may have been answered by hand.
const OLD: TimeDelta = TimeDelta::hours(1);
/// How long a reply waits for a mailbox to be connected: later, nobody waits for it.
const PATIENCE: TimeDelta = TimeDelta::days(14);
/// Between two looks whether one is. Whoever connects one has it looked at once.
const LOOK: Duration = Duration::from_mins(20);
/// The same, where one was connected during the try. Not at once: were it open, and yet not to be had, nobody would rest.
const SOON: Duration = Duration::from_secs(1);
/// Before the second try, whoever has it, so that Gmail has filed by then what it may have sent.
const FIRST: Duration = Duration::from_secs(80);

/// What to do with a reply, as its row stands.
enum Stand {
    /// To be sent.
    Ready(Box<Ready>),
    /// Nothing is left to do, or not yet.
    Over(Verdict),
}

/// A reply that is to be sent.
struct Ready {
    /// As its row stood before this try.
    row: ReplyRow,
    is_automatic: bool,
    text: String,
    thread: ThreadRow,
    /// The mail that it answers, where that is known.
    answered: Option<ReceivedRow>,
    /// Why it is not sent any more: it is only looked for.
    withheld: Option<&'static str>,
    /// Since when a person may have answered instead.
    old_since: Option<DateTime<Utc>>,
}

impl Ready {
    /// It was begun with before: it may have been sent.
    fn is_second(&self) -> bool {
        self.row.status == MailStatus::Sending
    }

    /// Whether it may be sent once a mailbox is connected.
    fn may_wait(&self, now: DateTime<Utc>) -> bool {
        self.withheld.is_none() && now - self.row.created_at < PATIENCE
    }
}

/// Sends `id`.
pub(super) async fn send(cx: &TenantCx, held: &Held<'_>, id: Uuid) -> Outcome<Verdict> {
    let ready = match cx.write(async |tx| take_up(cx, tx, held, id).await).await? {
        Stand::Ready(ready) => *ready,
        Stand::Over(verdict) => return Ok(verdict),
    };
    // Whether it may have been sent, by an earlier try or by this one.
    let is_unsure = AtomicBool::new(ready.is_second());
    let sent = mailbox::with(cx, |mailbox, open| {
        let span = tracing::info_span!(
            target: trace::TARGET, "send mail", otel.kind = "client", messaging.system = "gmail",
            messaging.operation.type = "send", outcome = Empty, otel.status_code = Empty, error.type = Empty,
        );
        let sent = deliver(mailbox, open, &ready, &is_unsure).instrument(span.clone());
        sent.inspect_err(move |_| trace::ended(&span, "failed", true))
    });
    let sent = sent.await?;
    let is_unsure = is_unsure.into_inner();
    let end = async |status, gmail_id, failure: Option<String>| {
        cx.write(async |tx| {
            let progress = Progress { status, gmail_id, failure: Some(failure), updated_at: cx.now() };
            mails::progress(tx, id, &progress).await?;
            held.done(tx).await
        })
        .await
    };
    match sent {
        Ok(Some(gmail_id)) => end(MailStatus::Sent, Some(gmail_id), None).await,
        Ok(None) => end(MailStatus::Failed, None, Some(BY_HAND.to_owned())).await,
        Err(Closed::Passing(why, wait)) if !held.is_last_try() => {
            // What may have been sent stays as being sent, so that it is looked for first.
            if !is_unsure {
                cx.write(async |tx| stay_in_line(cx, tx, held, &ready.row, &why).await).await?;
            }
            Ok(Verdict::Later(why, Some(wait.unwrap_or_default().max(held.usual(FIRST)))))
        }
        Err(Closed::NotConnected) if ready.may_wait(cx.now()) => wait_for_mailbox(cx, held, &ready.row).await,
        Err(Closed::NotConnected) => {
            tracing::warn!(mail = %id, "a mail was given up, since no mailbox is connected");
            let failure = if is_unsure { format!("{UNCONNECTED} {UNSURE}") } else { UNCONNECTED.to_owned() };
            end(MailStatus::Failed, None, Some(failure)).await
        }
        Err(Closed::Passing(why, _)) => {
            tracing::warn!(mail = %id, %why, "a mail was given up");
            let failure = if is_unsure { format!("{why}. {UNSURE}") } else { why };
            end(MailStatus::Failed, None, Some(failure)).await
        }
        Err(Closed::Lasting(why)) => {
            tracing::warn!(mail = %id, %why, "a mail was not sent");
            end(MailStatus::Failed, None, Some(why)).await
        }
    }
}

/// Leaves a reply in line until a mailbox is connected: this try sent nothing.
async fn wait_for_mailbox(cx: &TenantCx, held: &Held<'_>, row: &ReplyRow) -> Outcome<Verdict> {
    if row.failure.as_deref() != Some(UNCONNECTED) {
        tracing::warn!(mail = %row.id, "a mail waits for a mailbox to be connected");
    }
    cx.write(async |tx| {
        // Under its lock: whoever connects one finds this job put off, and makes it due, or did so before.
        let is_open = mailboxes::lock(tx).await?.is_some_and(|mailbox| mailbox.is_open());
        stay_in_line(cx, tx, held, row, UNCONNECTED).await?;
        held.put_off(tx, if is_open { SOON } else { LOOK }).await
    })
    .await
}

/// Notes why a reply waits that this try did not send, unless another node has it by now, and knows better. It stands as before
/// the try: what an earlier one may have sent is looked for first by the next.
async fn stay_in_line(cx: &TenantCx, tx: &mut Tx<Tenant>, held: &Held<'_>, row: &ReplyRow, why: &str) -> Outcome<()> {
    if !held.is_ours(tx).await? {
        return Ok(());
    }
    let failure = Some(Some(why.to_owned()));
    let progress = Progress { status: row.status, gmail_id: None, failure, updated_at: cx.now() };
    mails::progress(tx, row.id, &progress).await
}

/// Gmail's id of the reply; `None` where a person answered instead. Says where it may have been sent although this failed.
async fn deliver(
    mailbox: Mailbox,
    open: Open,
    ready: &Ready,
    is_unsure: &AtomicBool,
) -> Result<Option<String>, Trouble> {
    let (thread, marker) = (ready.thread.thread_id.as_str(), ready.row.id.to_string());
    if ready.is_second() {
        match mailbox.sent(thread, &marker).await {
            Ok(None) => {}
            // Of another mailbox, or deleted: nothing tells whether it was sent, so it is not sent again.
            Err(Trouble::Missing) => return Err(Trouble::Lasting(format!("{ELSEWHERE} {UNSURE}"))),
            known => return known,
        }
    }
    if let Some(why) = ready.withheld {
        return Err(Trouble::Lasting(why.into()));
    }
    if let Some(since) = ready.old_since
        && mailbox.is_answered_by_hand(thread, since).await?
    {
        return Ok(None);
    }
    let references: Vec<String> = match &ready.answered {
        Some(mail) => mail.reference_ids.split_whitespace().map(str::to_owned).collect(),
        None => Vec::new(),
    };
    let reply = Reply {
        from: &open.address,
        to: &ready.thread.address,
        subject: ready.thread.subject.as_deref(),
        in_reply_to: ready.answered.as_ref().and_then(|mail| mail.rfc_message_id.as_deref()),
        references: &references,
        marker: &marker,
        is_automatic: ready.is_automatic,
        text: &ready.text,
    };
    let raw = reply.raw().map_err(|_| Trouble::Lasting("the mail can't be written".into()))?;
    match ask(&mailbox, &raw, Some(thread), is_unsure).await {
        Err(Trouble::Missing) => {}
        sent => return sent.map(Some),
    }
    match mailbox.sent(thread, &marker).await {
        // By the references, customers see it where it belongs. Another try would find no thread, and so not send it again.
        Err(Trouble::Missing) => ask(&mailbox, &raw, None, is_unsure).await.map(Some),
        Ok(None) => Err(Trouble::Missing),
        known => known,
    }
}

/// Asks Gmail to send, and notes where it may have done so without a word.
async fn ask(mailbox: &Mailbox, raw: &str, thread: Option<&str>, is_unsure: &AtomicBool) -> Result<String, Trouble> {
    let sent = mailbox.send(raw, thread).await;
    if matches!(sent, Err(Trouble::Passing(..))) {
        is_unsure.store(true, Ordering::Relaxed);
    }
    sent
}

/// Marks a reply as being sent, if it is to be.
async fn take_up(cx: &TenantCx, tx: &mut Tx<Tenant>, held: &Held<'_>, id: Uuid) -> Outcome<Stand> {
    let row = mails::lock_reply(tx, id).await?.ok_or_else(|| Refusal::not_found("mail"))?;
    let is_second = match row.status {
        MailStatus::Queued => false,
        MailStatus::Sending => true,
        MailStatus::Sent | MailStatus::Failed => return Ok(Stand::Over(held.done(tx).await?)),
    };
    // Whoever began with it may have died, and told nobody when to look for it.
    let rest = FIRST.saturating_sub((cx.now() - row.updated_at).to_std().unwrap_or_default());
    if is_second && !rest.is_zero() {
        return Ok(Stand::Over(Verdict::Wait(rest)));
    }
    let message = messages::find(tx, row.message_id).await?.ok_or_else(|| Refusal::not_found("message"))?;
    let thread = mails::thread_of(tx, row.conversation_id).await?.ok_or_else(|| Refusal::not_found("thread"))?;
    let answered = match message.reply_to_id {
        Some(question) => mails::received_as(tx, question).await?,
        None => mails::last_received(tx, row.conversation_id).await?,
    };
    let is_automatic = message.role == MessageRole::Assistant;
    let arrived_at = answered.as_ref().and_then(|mail| mail.arrived_at).filter(|_| is_automatic);
    let old_since = arrived_at.filter(|at| cx.now() - *at > OLD);
    // Written here, a person's answer is behind this one in the line.
    let is_by_hand = match message.reply_to_id.filter(|_| old_since.is_some()) {
        Some(question) => messages::is_answered_by_hand(tx, row.conversation_id, question).await?,
        None => false,
    };
    let is_closed = !tenants::own(tx).await?.is_active;
    let withheld = is_closed.then_some(CLOSED).or(is_by_hand.then_some(BY_HAND));
    if let Some(why) = withheld.filter(|_| !is_second) {
        let failure = Some(Some(why.to_owned()));
        let progress = Progress { status: MailStatus::Failed, gmail_id: None, failure, updated_at: cx.now() };
        mails::progress(tx, id, &progress).await?;
        return Ok(Stand::Over(held.done(tx).await?));
    }
    let begun = Progress { status: MailStatus::Sending, gmail_id: None, failure: Some(None), updated_at: cx.now() };
    mails::progress(tx, id, &begun).await?;
    let text = message.message.content;
    Ok(Stand::Ready(Box::new(Ready { row, is_automatic, text, thread, answered, withheld, old_since })))
}
