//! Writes one reply: gathers, asks the model, tells every piece, and stores the end.
//! However it ends, it ends: as whole, stopped, or failed, with what was written kept. Must not know who watches.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

use crate::{
    chat::{
        engine::{Engine, NODE_LOST, key},
        events::Body,
        lease::{self, LEASE},
        passages,
        turn::{self, Turn},
    },
    context::TenantCx,
    db::{
        tables::{
            conversations::{self, ConversationRow},
            knowledge::Passage,
            messages::{self, MessageRow, ReplyEnd, ReplyStart},
            tenants,
            usage::{self, NewUsage},
        },
        tx::{Tenant, Tx},
    },
    domain::prompts,
    kernel::{
        failure::{ErrorCode, Failure, Outcome},
        ids::MessageId,
        vocabulary::{FinishReason, MessageRole, MessageStatus},
    },
    llm::{Delta, Grounding, ModelError, ModelRequest, Speaker, Usage, patiently},
};

/// Messages of the past that a model is told.
const HISTORY: i64 = 40;
/// Tries to store an end before it is left to the lease.
const END_TRIES: u32 = 8;

/// How a reply ended, and what of it there is.
struct Ending {
    text: String,
    how: How,
}

enum How {
    Whole(FinishReason, Option<Usage>),
    Stopped,
    Failed(ErrorCode, String),
    /// Somebody else ended it.
    Taken,
}

/// Writes `reply`.
pub(super) async fn reply(
    engine: &Arc<Engine>,
    cx: &TenantCx,
    conversation: &ConversationRow,
    reply: &MessageRow,
    stop: &CancellationToken,
) {
    // In the server's own name: the asker may be gone, or signed out, by the time it ends.
    let asker = cx.scope().actor().user();
    let cx = &cx.for_background();
    let ending = match turn::wait(engine, cx, reply, stop).await {
        Turn::Mine => write(engine, cx, conversation, reply, stop).await,
        Turn::Stopped => Ending { text: String::new(), how: How::Stopped },
        Turn::Closing => Ending { text: String::new(), how: node_lost() },
        Turn::Taken => Ending { text: String::new(), how: How::Taken },
    };
    if let Some(body) = store_ending(engine, cx, reply.id, asker, ending).await {
        engine.hub.publish(key(cx, conversation.id), body);
    }
}

fn node_lost() -> How {
    let (code, reason) = NODE_LOST;
    How::Failed(code, reason.to_owned())
}

async fn write(
    engine: &Engine,
    cx: &TenantCx,
    conversation: &ConversationRow,
    reply: &MessageRow,
    stop: &CancellationToken,
) -> Ending {
    let mut text = String::new();
    let found = match reply.reply_to_id {
        Some(question) => passages::find(cx, question).await,
        None => Vec::new(),
    };
    let started = cx.write(async |tx| start(cx, tx, conversation, reply, &found).await).await;
    let request = match started {
        Ok(Some((row, request))) => {
            engine.hub.publish(key(cx, conversation.id), Body::ReplyStarted(Arc::new(row)));
            request
        }
        Ok(None) => return Ending { text, how: How::Taken },
        Err(failure) => return Ending { text, how: fault(failure) },
    };
    let pieces = patiently(engine.settings.model.reply(request), engine.settings.patience);
    tokio::pin!(pieces);
    let mut beat = lease::heartbeat();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ending { text, how: How::Stopped },
            () = engine.closing.cancelled() => return Ending { text, how: node_lost() },
            piece = pieces.next() => match piece {
                Some(Ok(Delta::Text(more))) => {
                    text.push_str(&more);
                    let body = Body::ReplyDelta { message: reply.id, text: more };
                    engine.hub.publish(key(cx, conversation.id), body);
                }
                Some(Ok(Delta::End { finish, usage })) => return Ending { how: whole(&text, finish, usage), text },
                Some(Err(error)) => return Ending { text, how: model_failed(&error) },
                None => return Ending { text, how: fault(Failure::fault("a model's stream ended without a word")) },
            },
            _ = beat.tick() => if !lease::keep(cx, reply.id, Some(&text), stop).await { return Ending { text, how: How::Taken } },
        }
    }
}

/// Gathers what the model is told, and marks the reply as being written. `None` when it was ended meanwhile.
async fn start(
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    conversation: &ConversationRow,
    reply: &MessageRow,
    found: &[Passage],
) -> Outcome<Option<(MessageRow, ModelRequest)>> {
    let tenant = tenants::own(tx).await?;
    let prompt = prompts::in_force(tx, Some(conversation.channel)).await?;
    let question = reply.reply_to_id.ok_or_else(|| Failure::fault("a reply without its question"))?;
    let history = messages::history(tx, conversation.id, question, HISTORY).await?;
    let now = cx.now();
    let start = ReplyStart {
        status: MessageStatus::Streaming,
        prompt_hash: prompt.hash,
        sources: passages::kept(found),
        lease_expires_at: now + LEASE,
        updated_at: now,
    };
    let Some(row) = messages::start_reply(tx, reply.id, &start).await? else { return Ok(None) };
    let faq = prompt.sections.iter().find(|section| section.key == prompts::FAQ).map(|section| section.content.clone());
    let turns = history
        .into_iter()
        .filter(|message| !message.content.is_empty())
        .filter_map(|message| match message.role {
            MessageRole::Customer => Some((Speaker::Customer, message.content)),
            MessageRole::Assistant | MessageRole::Agent => Some((Speaker::Business, message.content)),
            MessageRole::System | MessageRole::Tool => None,
        })
        .collect();
    let grounding = Grounding {
        faq,
        business: tenant.business_name.unwrap_or(tenant.name),
        contacts: tenant.contact_email.into_iter().chain(tenant.phone_number).collect(),
        passages: found.iter().map(|passage| passage.text.clone()).collect(),
    };
    Ok(Some((row, ModelRequest { system: passages::told(prompt.text, found), turns, grounding })))
}

fn whole(text: &str, finish: FinishReason, usage: Option<Usage>) -> How {
    if text.is_empty() && finish != FinishReason::ContentFilter {
        return How::Failed(
            ErrorCode::UpstreamUnavailable,
            "The model gave an empty answer. Send the message again for a new one.".to_owned(),
        );
    }
    if finish == FinishReason::ContentFilter {
        return How::Failed(
            ErrorCode::BadUserInput,
            "The model's provider filtered the answer. Ask in other words.".to_owned(),
        );
    }
    How::Whole(finish, usage)
}

fn model_failed(error: &ModelError) -> How {
    tracing::warn!(code = error.code.as_str(), detail = %error.detail, "a model gave no whole reply");
    How::Failed(error.code, error.reason.to_owned())
}

fn fault(failure: Failure) -> How {
    match failure {
        Failure::Refused(refusal) => How::Failed(refusal.code, refusal.message.into_owned()),
        Failure::Fault(error) => {
            tracing::error!(error = %format!("{error:#}"), "writing a reply");
            How::Failed(ErrorCode::Internal, "Something went wrong on our side. Send the message again.".to_owned())
        }
    }
}

/// Stores the end and settles the bill in one transaction; gives what to tell the watchers.
async fn store_ending(
    engine: &Engine,
    cx: &TenantCx,
    reply: MessageId,
    asker: Option<crate::kernel::ids::UserId>,
    ending: Ending,
) -> Option<Body> {
    let Some(mut end) = as_row(engine, cx, ending) else { return as_it_is(cx, reply).await };
    for attempt in 0..END_TRIES {
        end.updated_at = cx.now();
        let stored = cx.write(async |tx| {
            let row = messages::end_reply(tx, reply, &end).await?;
            if let Some(row) = &row {
                conversations::touch(tx, row.conversation_id, end.updated_at).await?;
            }
            if let (Some(row), Some(prompt), Some(completion)) = (&row, end.prompt_tokens, end.completion_tokens) {
                let entry = NewUsage {
                    tenant_id: cx.scope().tenant(),
                    message_id: row.id,
                    user_id: asker,
                    model: engine.settings.model.name().to_owned(),
                    prompt_tokens: prompt.max(0),
                    completion_tokens: completion.max(0),
                    created_at: cx.now(),
                };
                usage::settle(tx, &entry).await?;
            }
            Ok(row)
        });
        match stored.await {
            Ok(Some(row)) => return Some(Body::of_finished(row)),
            // Ended already: by somebody else, or by a try of ours whose answer was lost.
            Ok(None) => return as_it_is(cx, reply).await,
            Err(failure) => {
                let detail = format!("{failure:?}");
                tracing::error!(%reply, attempt, detail, "a reply's end could not be stored");
                tokio::time::sleep(Duration::from_millis(100 << attempt)).await;
            }
        }
    }
    // The lease runs out, and housekeeping ends the reply with what the last heartbeat kept.
    None
}

/// The end of a reply as it is stored, for watchers who have not heard of it.
pub(super) async fn as_it_is(cx: &TenantCx, reply: MessageId) -> Option<Body> {
    let row = cx.read(async |tx| messages::find(tx, reply).await).await.ok().flatten()?;
    let is_open = matches!(row.status, MessageStatus::Pending | MessageStatus::Streaming);
    (!is_open).then(|| Body::of_finished(row))
}

fn as_row(engine: &Engine, cx: &TenantCx, ending: Ending) -> Option<ReplyEnd> {
    let mut end = ReplyEnd {
        status: MessageStatus::Complete,
        content: ending.text,
        model: Some(engine.settings.model.name().to_owned()),
        prompt_tokens: None,
        completion_tokens: None,
        finish_reason: None,
        failure_code: None,
        failure_reason: None,
        lease_expires_at: None,
        updated_at: cx.now(),
    };
    match ending.how {
        How::Taken => return None,
        How::Whole(finish, usage) => {
            let usage = usage.unwrap_or_default();
            end.finish_reason = Some(finish);
            end.prompt_tokens = Some(usage.prompt);
            end.completion_tokens = Some(usage.completion);
        }
        How::Stopped => {
            end.status = MessageStatus::Cancelled;
            end.finish_reason = Some(FinishReason::Cancelled);
        }
        How::Failed(code, reason) => {
            end.status = MessageStatus::Failed;
            end.finish_reason = Some(FinishReason::Error);
            end.failure_code = Some(code.as_str().to_owned());
            end.failure_reason = Some(reason);
        }
    }
    Some(end)
}
