//! Sends a reply by mail. It is noted as being sent before Gmail is asked; where Gmail's answer was lost, or we died over it, the
//! thread is looked through for it before it is sent again. Where the mail is old, it is looked through for a person's answer
//! first. Must not know what it says.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::TryFutureExt;
use tracing::{Instrument, field::Empty};
use uuid::Uuid;

use crate::{
    channels::google::{Mailbox, Reply, Trouble},
    context::TenantCx,
    db::{
        tables::{
            mails::{self, Progress, ReceivedRow, ThreadRow},
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
    marker: String,
    is_automatic: bool,
    text: String,
    thread: ThreadRow,
    /// The mail that it answers, where that is known.
    answered: Option<ReceivedRow>,
    /// It was begun with before: it may have been sent.
    is_second: bool,
    /// Its business was deactivated meanwhile: it is looked for, and not sent.
    is_closed: bool,
    /// Since when a person may have answered instead.
    old_since: Option<DateTime<Utc>>,
}

/// Sends `id`.
pub(super) async fn send(cx: &TenantCx, held: &Held<'_>, id: Uuid) -> Outcome<Verdict> {
    let ready = match cx.write(async |tx| take_up(cx, tx, held, id).await).await? {
        Stand::Ready(ready) => *ready,
        Stand::Over(verdict) => return Ok(verdict),
    };
    let sent = mailbox::with(cx, |mailbox, open| {
        let span = tracing::info_span!(
            target: trace::TARGET, "send mail", otel.kind = "client", messaging.system = "gmail",
            messaging.operation.type = "send", outcome = Empty, otel.status_code = Empty, error.type = Empty,
        );
        let sent = deliver(mailbox, open, &ready).instrument(span.clone());
        sent.inspect_err(move |_| trace::ended(&span, "failed", true))
    });
    let sent = sent.await?;
    let end = async |status, gmail_id, failure: Option<String>| {
        cx.write(async |tx| {
            mails::progress(tx, id, &Progress { status, gmail_id, failure, updated_at: cx.now() }).await?;
            held.done(tx).await
        })
        .await
    };
    match sent {
        Ok(Some(gmail_id)) => end(MailStatus::Sent, Some(gmail_id), None).await,
        Ok(None) => end(MailStatus::Failed, None, Some(BY_HAND.to_owned())).await,
        // It stays as being sent, so that it is looked for first.
        Err(Closed::Passing(why, wait)) if !held.is_last_try() => {
            Ok(Verdict::Later(why, Some(wait.unwrap_or_default().max(held.usual(FIRST)))))
        }
        Err(Closed::NotConnected) if ready.is_second => {
            end(MailStatus::Failed, None, Some(format!("{UNCONNECTED} {UNSURE}"))).await
        }
        Err(Closed::NotConnected) => end(MailStatus::Failed, None, Some(UNCONNECTED.to_owned())).await,
        Err(Closed::Passing(why, _)) => {
            tracing::warn!(mail = %id, %why, "a mail was given up");
            end(MailStatus::Failed, None, Some(format!("{why}. {UNSURE}"))).await
        }
        Err(Closed::Lasting(why)) => {
            tracing::warn!(mail = %id, %why, "a mail was not sent");
            end(MailStatus::Failed, None, Some(why)).await
        }
    }
}

/// Gmail's id of the reply; `None` where a person answered instead.
async fn deliver(mailbox: Mailbox, open: Open, ready: &Ready) -> Result<Option<String>, Trouble> {
    let (thread, marker) = (ready.thread.thread_id.as_str(), ready.marker.as_str());
    if ready.is_second {
        match mailbox.sent(thread, marker).await {
            Ok(None) => {}
            // Of another mailbox, or deleted: nothing tells whether it was sent, so it is not sent again.
            Err(Trouble::Missing) => return Err(Trouble::Lasting(format!("{ELSEWHERE} {UNSURE}"))),
            known => return known,
        }
    }
    if ready.is_closed {
        return Err(Trouble::Lasting(CLOSED.into()));
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
        marker,
        is_automatic: ready.is_automatic,
        text: &ready.text,
    };
    let raw = reply.raw().map_err(|_| Trouble::Lasting("the mail can't be written".into()))?;
    match mailbox.send(&raw, Some(thread)).await {
        Err(Trouble::Missing) => {}
        sent => return sent.map(Some),
    }
    match mailbox.sent(thread, marker).await {
        // By the references, customers see it where it belongs. Another try would find no thread, and so not send it again.
        Err(Trouble::Missing) => mailbox.send(&raw, None).await.map(Some),
        Ok(None) => Err(Trouble::Missing),
        known => known,
    }
}

/// Marks a reply as being sent, if it is to be.
async fn take_up(cx: &TenantCx, tx: &mut Tx<Tenant>, held: &Held<'_>, id: Uuid) -> Outcome<Stand> {
    let reply = mails::lock_reply(tx, id).await?.ok_or_else(|| Refusal::not_found("mail"))?;
    let is_second = match reply.status {
        MailStatus::Queued => false,
        MailStatus::Sending => true,
        MailStatus::Sent | MailStatus::Failed => return Ok(Stand::Over(held.done(tx).await?)),
    };
    let is_closed = !tenants::own(tx).await?.is_active;
    if is_closed && !is_second {
        let failure = Some(CLOSED.to_owned());
        let progress = Progress { status: MailStatus::Failed, gmail_id: None, failure, updated_at: cx.now() };
        mails::progress(tx, id, &progress).await?;
        return Ok(Stand::Over(held.done(tx).await?));
    }
    // Whoever began with it may have died, and told nobody when to look for it.
    let rest = FIRST.saturating_sub((cx.now() - reply.updated_at).to_std().unwrap_or_default());
    if is_second && !rest.is_zero() {
        return Ok(Stand::Over(Verdict::Wait(rest)));
    }
    let message = messages::find(tx, reply.message_id).await?.ok_or_else(|| Refusal::not_found("message"))?;
    let thread = mails::thread_of(tx, reply.conversation_id).await?.ok_or_else(|| Refusal::not_found("thread"))?;
    let answered = match message.reply_to_id {
        Some(question) => mails::received_as(tx, question).await?,
        None => mails::last_received(tx, reply.conversation_id).await?,
    };
    let begun = Progress { status: MailStatus::Sending, gmail_id: None, failure: None, updated_at: cx.now() };
    mails::progress(tx, id, &begun).await?;
    let is_automatic = message.role == MessageRole::Assistant;
    let arrived_at = answered.as_ref().and_then(|mail| mail.arrived_at).filter(|_| is_automatic);
    let old_since = arrived_at.filter(|at| cx.now() - *at > OLD);
    let marker = id.to_string();
    let text = message.message.content;
    let ready = Ready { marker, is_automatic, text, thread, answered, is_second, is_closed, old_since };
    Ok(Stand::Ready(Box::new(ready)))
}
