//! Has a message answered for somebody who waits for the whole: the worker, where a customer wrote by text or mail. A reply
//! that failed and may succeed is written anew, in its own place. Must not know how the answer is carried.

use std::{sync::Arc, time::Duration};

use tracing::Instrument;

use crate::{
    chat::{
        accept,
        engine::{Engine, key},
        follow,
        generate::Work,
        lease::LEASE,
    },
    context::TenantCx,
    db::{
        tables::{
            conversations::{self, ConversationRow},
            messages::{self, TurnRow},
        },
        tx::{Tenant, Tx},
    },
    domain::carriage,
    kernel::{
        failure::{ErrorCode, Failure, Outcome, Refusal},
        ids::MessageId,
        vocabulary::{ConversationStatus, MessageStatus, ReplyFailure},
    },
};

/// How long one waits for an end that nobody tells of, before the database is asked: a second end of one reply is told to nobody.
const PATIENCE: Duration = Duration::from_secs(2);

/// What came of an answer.
#[derive(Debug)]
pub enum Answered {
    /// There it is.
    Whole(Box<TurnRow>),
    /// None is wanted: a person answers, or has answered, it was stopped, or the channel was switched off.
    Unwanted,
    /// Another node is writing it.
    Open,
    /// It failed, and may succeed later.
    Later(String),
    /// It failed, and will again; or the model itself gave nothing of use twice running: that is paid for each time, and what
    /// the customer writes next waits.
    Never(String),
}

impl Engine {
    /// Has the answer to `question` written, unless it is there, and waits for its end. Asked twice, it is written once.
    ///
    /// # Errors
    /// `NOT_FOUND` for a message that is not there.
    pub async fn answer(self: &Arc<Self>, cx: &TenantCx, question: MessageId) -> Outcome<Answered> {
        let (engine, own) = (self.clone(), cx.clone());
        // In a task of its own: between the commit and the start of the reply nobody may leave.
        let begin = async move {
            let taken = own.write(async |tx| take_up(&own, tx, question).await).await?;
            Ok::<_, Failure>(taken.map(|Taken { work, is_ours, was_useless }| {
                let begun = (work.conversation.id, work.reply.id, was_useless);
                if is_ours {
                    engine.write(&own, work);
                }
                begun
            }))
        };
        let begun = self.tasks.spawn(begin.in_current_span()).await.map_err(|error| Failure::Fault(error.into()))??;
        let Some((conversation, reply, was_useless)) = begun else { return Ok(Answered::Unwanted) };
        let mut watcher = self.hub.watch(key(cx, conversation), None).await;
        loop {
            // Asked before the row is read: one that ends in between is seen to have ended.
            let is_ours = self.writes(cx.scope().tenant(), reply);
            let now = cx.read(async |tx| messages::find(tx, reply).await).await?;
            let now = now.ok_or_else(|| Refusal::not_found("message"))?;
            match now.status {
                MessageStatus::Complete => return Ok(Answered::Whole(Box::new(now))),
                MessageStatus::Cancelled => return Ok(Answered::Unwanted),
                MessageStatus::Failed if was_useless && is_useless(&now) => return Ok(Answered::Never(why(&now))),
                MessageStatus::Failed => return Ok(failed(&now)),
                MessageStatus::Pending | MessageStatus::Streaming if !is_ours => return Ok(Answered::Open),
                MessageStatus::Pending | MessageStatus::Streaming => {}
            }
            follow::until_ended(&mut watcher, reply, PATIENCE).await;
        }
    }
}

fn failed(reply: &TurnRow) -> Answered {
    let may_pass = reply.failure_cause.is_none_or(ReplyFailure::may_pass);
    if may_pass { Answered::Later(why(reply)) } else { Answered::Never(why(reply)) }
}

fn why(reply: &TurnRow) -> String {
    reply.failure_reason.clone().unwrap_or_else(|| "the reply failed".to_owned())
}

/// Whether it failed since the model itself gave nothing of use. It may do better the next time.
fn is_useless(reply: &TurnRow) -> bool {
    reply.status == MessageStatus::Failed && reply.failure_cause == Some(ReplyFailure::EmptyAnswer)
}

/// A reply that was taken up.
struct Taken {
    work: Work,
    /// Whether it is to be written by us.
    is_ours: bool,
    /// Whether the model gave nothing of use the last time.
    was_useless: bool,
}

/// The reply to a message, made or made anew where it must be; `None` where none is wanted.
async fn take_up(cx: &TenantCx, tx: &mut Tx<Tenant>, question: MessageId) -> Outcome<Option<Taken>> {
    let asked = messages::find(tx, question).await?.ok_or_else(|| Refusal::not_found("message"))?;
    let conversation = conversations::lock(tx, asked.conversation_id).await?;
    let conversation = conversation.ok_or_else(|| Refusal::not_found("conversation"))?;
    if !carriage::is_open(tx, &conversation).await? {
        return Ok(None);
    }
    let reply = messages::reply_to(tx, question).await?;
    // One that is whole, or on its way, is not taken back: it stands in the conversation as said.
    let is_missing = reply.as_ref().is_none_or(|row| row.status == MessageStatus::Failed);
    if is_missing && is_with_a_person(tx, &conversation, question).await? {
        return Ok(None);
    }
    if is_missing && !carriage::is_reachable(tx, &conversation).await? {
        // Nothing is written that nobody may get; by the time that there is a way again, a person may have answered.
        return Err(Refusal::new(ErrorCode::Conflict, carriage::no_way(&conversation)).into());
    }
    let was_useless = reply.as_ref().is_some_and(is_useless);
    let reply = match reply {
        None => Some((accept::await_reply(cx, tx, &asked).await?, true)),
        Some(row) if row.status == MessageStatus::Failed && matches!(failed(&row), Answered::Later(_)) => {
            let now = cx.now();
            messages::revive(tx, row.id, now, now + LEASE).await?.map(|row| (row, true))
        }
        Some(row) => Some((row, false)),
    };
    let question = asked.message.content.into();
    Ok(reply.map(|(reply, is_ours)| {
        let work = Work { conversation, question, reply, is_next: false };
        Taken { work, is_ours, was_useless }
    }))
}

/// Whether a person has the conversation, or has answered the question.
async fn is_with_a_person(tx: &mut Tx<Tenant>, conversation: &ConversationRow, question: MessageId) -> Outcome<bool> {
    Ok(conversation.status != ConversationStatus::Bot
        || messages::is_answered_by_hand(tx, conversation.id, question).await?)
}
