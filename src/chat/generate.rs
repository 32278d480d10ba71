//! Writes one reply: waits for the conversation's turn, gathers, lets it be composed, and stores the end. However it ends,
//! it ends: as whole, stopped, or failed, with what was written kept. Must not know who watches.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    chat::{
        bill,
        compose::{Draft, Place, Written, compose},
        engine::{Engine, NODE_LOST, key},
        events::Body,
        lease::{self, LEASE},
        measure, passages,
        turn::{self, Turn},
    },
    context::TenantCx,
    db::{
        tables::{
            conversations::{self, ConversationRow},
            knowledge::Passage,
            messages::{self, MessageRow, ReplyEnd, ReplyStart},
            tenants,
        },
        tx::{Tenant, Tx},
    },
    domain::{
        models::{self, Chosen},
        prompts,
    },
    kernel::{
        failure::{ErrorCode, Failure, Outcome},
        ids::MessageId,
        vocabulary::{FinishReason, MessageRole, MessageStatus, ReplyFailure},
    },
    llm::{self, Grounding, ModelRequest, Said},
};

/// Messages of the past that are looked at; a model is told as many of them as fit into its budget.
const HISTORY: i64 = 200;
/// Tries to store an end before it is left to the lease.
const END_TRIES: u32 = 8;

/// How a reply ended, what of it there is, and whose it is.
#[derive(Default)]
struct Ending {
    written: Written,
    model: Option<String>,
    how: How,
}

impl Ending {
    /// Before anything was written.
    fn bare(how: How) -> Self {
        Self { how, ..Self::default() }
    }
}

#[derive(Default)]
pub(super) enum How {
    Whole(FinishReason),
    Stopped,
    Failed {
        code: ErrorCode,
        cause: ReplyFailure,
        reason: String,
    },
    /// Somebody else ended it.
    #[default]
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
    let cx = &cx.for_background();
    let ending = match turn::wait(engine, cx, reply, stop).await {
        Turn::Mine => Box::pin(write(engine, cx, conversation, reply, stop)).await,
        Turn::Stopped => Ending::bare(How::Stopped),
        Turn::Closing => Ending::bare(node_lost()),
        Turn::Taken => Ending::bare(How::Taken),
    };
    if let Some(body) = store_ending(cx, reply.id, ending).await {
        engine.hub.publish(key(cx, conversation.id), body);
    }
}

fn node_lost() -> How {
    let (code, reason) = NODE_LOST;
    How::Failed { code, cause: ReplyFailure::ServerStopped, reason: reason.to_owned() }
}

async fn write(
    engine: &Engine,
    cx: &TenantCx,
    conversation: &ConversationRow,
    reply: &MessageRow,
    stop: &CancellationToken,
) -> Ending {
    let found = match reply.reply_to_id {
        Some(question) => {
            let looking = passages::find(engine, cx, question, stop);
            let Some(found) = lease::during(cx, reply.id, stop, looking).await else { return Ending::bare(How::Taken) };
            found
        }
        None => Vec::new(),
    };
    let tokens = engine.settings.models.context_tokens();
    let started = cx.write(async |tx| start(cx, tx, conversation, reply, &found, tokens).await).await;
    let (request, chosen) = match started {
        Ok(Some((row, request, chosen))) => {
            engine.hub.publish(key(cx, conversation.id), Body::ReplyStarted(Arc::new(row)));
            (request, chosen)
        }
        Ok(None) => return Ending::bare(How::Taken),
        Err(failure) => return Ending::bare(How::fault(failure)),
    };
    let wish = match chosen.open(cx) {
        Ok(wish) => wish,
        Err(failure) => return Ending::bare(How::fault(failure)),
    };
    let line = engine.settings.models.line(&wish);
    let request = ModelRequest { max_output: wish.max_output, ..request };
    let place = Place { engine, cx, conversation: conversation.id, reply };
    let draft = Draft::default();
    let how = tokio::select! {
        biased;
        () = stop.cancelled() => How::Stopped,
        () = engine.closing.cancelled() => node_lost(),
        how = compose(&place, &line, request, &draft) => how,
        () = lease::hold(cx, reply.id, stop, || Some(draft.text())) => How::Taken,
    };
    Ending { written: draft.written(), model: line.model().map(str::to_owned), how }
}

/// Gathers what the model is told, as far as it fits into `tokens`, and by whom; and marks the reply as being written.
/// `None` when it was ended meanwhile.
async fn start(
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    conversation: &ConversationRow,
    reply: &MessageRow,
    found: &[Passage],
    tokens: u32,
) -> Outcome<Option<(MessageRow, ModelRequest, Chosen)>> {
    let tenant = tenants::own(tx).await?;
    let chosen = models::chosen(tx).await?;
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
            MessageRole::Customer => Some(Said::Customer(message.content)),
            MessageRole::Assistant | MessageRole::Agent => Some(Said::Business(message.content)),
            MessageRole::System | MessageRole::Tool => None,
        })
        .collect();
    let grounding = Grounding {
        faq,
        business: tenant.business_name.unwrap_or(tenant.name),
        contacts: tenant.contact_email.into_iter().chain(tenant.phone_number).collect(),
        passages: found.iter().map(|passage| passage.text.clone()).collect(),
    };
    let request = ModelRequest {
        system: passages::told(prompt.text, found),
        turns: llm::fit(turns, tokens),
        tools: Vec::new(),
        max_output: None,
        grounding,
    };
    Ok(Some((row, request, chosen)))
}

/// Stores the end and settles the bill in one transaction; gives what to tell the watchers.
async fn store_ending(cx: &TenantCx, reply: MessageId, ending: Ending) -> Option<Body> {
    let is_estimated = ending.written.is_estimated;
    let Some(mut end) = as_row(cx, ending) else { return as_it_is(cx, reply).await };
    for attempt in 0..END_TRIES {
        end.updated_at = cx.now();
        let stored = cx.write(async |tx| {
            let row = messages::end_reply(tx, reply, &end).await?;
            if let Some(row) = &row {
                conversations::touch(tx, row.conversation_id, end.updated_at).await?;
                bill::settle(tx, cx, row, is_estimated).await?;
            }
            Ok(row)
        });
        match stored.await {
            Ok(Some(row)) => {
                measure::ended(&cx.services().metrics, cx.scope().tenant(), &row);
                return Some(Body::of_finished(row));
            }
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

fn as_row(cx: &TenantCx, ending: Ending) -> Option<ReplyEnd> {
    let usage = ending.written.usage;
    let mut end = ReplyEnd {
        status: MessageStatus::Complete,
        content: ending.written.text,
        model: ending.model,
        // What was used is owed, however it ended.
        prompt_tokens: usage.map(|usage| usage.prompt),
        completion_tokens: usage.map(|usage| usage.completion),
        finish_reason: None,
        failure_code: None,
        failure_reason: None,
        failure_cause: None,
        lease_expires_at: None,
        updated_at: cx.now(),
    };
    match ending.how {
        How::Taken => return None,
        How::Whole(finish) => {
            end.finish_reason = Some(finish);
            end.prompt_tokens.get_or_insert(0);
            end.completion_tokens.get_or_insert(0);
        }
        How::Stopped => {
            end.status = MessageStatus::Cancelled;
            end.finish_reason = Some(FinishReason::Cancelled);
        }
        How::Failed { code, cause, reason } => {
            end.status = MessageStatus::Failed;
            end.finish_reason = Some(FinishReason::Error);
            end.failure_code = Some(code.as_str().to_owned());
            end.failure_reason = Some(reason);
            end.failure_cause = Some(cause);
        }
    }
    Some(end)
}
