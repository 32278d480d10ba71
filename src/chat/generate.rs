//! Writes one reply: waits for the conversation's turn, gathers, lets it be composed, and stores the end. However it ends,
//! it ends: as whole, stopped, or failed, with what was written kept. Must not know who watches.

use std::{sync::Arc, time::Duration};

use futures_util::try_join;

use crate::{
    chat::{
        bill::{self, Question},
        compose::{Opening, Place, compose},
        draft::Written,
        engine::{Engine, NODE_LOST, key},
        events::Body,
        lease::LEASE,
        measure, passages,
        turn::{self, Turn},
        writings::Writing,
    },
    context::TenantCx,
    db::{
        tables::{
            conversations::{self, ConversationRow},
            knowledge::Passage,
            messages::{self, MessageRow, PastRow, ReplyEnd, ReplyStart, TurnRow},
            prompts as sections,
            tenants::{self, TenantRow},
        },
        tx::{Tenant, Tx},
    },
    domain::{
        carriage,
        models::{self, Chosen},
        prompts::{self, Composed},
    },
    kernel::{
        failure::{ErrorCode, Failure, Outcome},
        ids::MessageId,
        vocabulary::{Channel, ConversationStatus, FinishReason, MessageRole, MessageStatus, ReplyFailure},
    },
    llm::{self, Grounding, Line, ModelRequest, Said, ToolSpec},
    tools,
};

/// Messages of the past that are looked at; a model is told as many of them as fit into its budget.
const HISTORY: usize = 200;
/// Tries to store an end before it is left to the lease.
const END_TRIES: u32 = 8;

/// How the writing of it ended, and who wrote.
struct Done {
    model: Option<String>,
    how: How,
}

impl Done {
    /// Before anybody was asked.
    fn bare(how: How) -> Self {
        Self { model: None, how }
    }
}

pub(super) enum How {
    Whole(FinishReason),
    Stopped,
    Failed {
        code: ErrorCode,
        cause: ReplyFailure,
        reason: String,
    },
    /// Somebody else ended it.
    Taken,
}

/// A reply that is to be written.
pub(super) struct Work {
    pub(super) conversation: ConversationRow,
    /// What it answers.
    pub(super) question: Arc<str>,
    pub(super) reply: TurnRow,
    /// Known to be no other reply's turn.
    pub(super) is_next: bool,
}

/// Writes a reply.
pub(super) async fn reply(engine: &Arc<Engine>, cx: &TenantCx, work: &Work, writing: &Writing) {
    // In the server's own name: the asker may be gone, or signed out, by the time it ends.
    let cx = &cx.for_background();
    let done = tokio::select! {
        biased;
        done = take_turn(engine, cx, work, writing) => done,
        () = writing.taken.cancelled() => Done::bare(How::Taken),
    };
    let written = writing.draft.written();
    if let Some(body) = Box::pin(store_ending(cx, work.reply.id, written, done)).await {
        engine.hub.publish(key(cx, work.conversation.id), body);
    }
}

async fn take_turn(engine: &Engine, cx: &TenantCx, work: &Work, writing: &Writing) -> Done {
    if !work.is_next {
        match turn::wait(engine, cx, &work.reply, &writing.stop).await {
            Turn::Mine => {}
            Turn::Stopped => return Done::bare(How::Stopped),
            Turn::Closing => return Done::bare(node_lost()),
        }
        // While it waited, a person may have taken the conversation over, or closed it.
        match Box::pin(cx.read(async |tx| conversations::find(tx, work.conversation.id).await)).await {
            Ok(Some(now)) if now.status != ConversationStatus::Bot => return Done::bare(How::Stopped),
            Ok(_) => {}
            Err(failure) => return Done::bare(How::fault(failure)),
        }
    }
    Box::pin(write(engine, cx, work, writing)).await
}

fn node_lost() -> How {
    let (code, reason) = NODE_LOST;
    How::Failed { code, cause: ReplyFailure::ServerStopped, reason: reason.to_owned() }
}

async fn write(engine: &Engine, cx: &TenantCx, work: &Work, writing: &Writing) -> Done {
    let Work { conversation, question, reply, .. } = work;
    // Boxed, here and below: a reply that is being written holds no room for what is over.
    let found = passages::find(engine, cx, question, &writing.stop);
    let gathered = cx.read(async |tx| gather(cx, tx, conversation, reply).await);
    let (found, gathered) = Box::pin(futures_util::future::join(found, gathered)).await;
    let begun = match gathered {
        Ok(gathered) => Box::pin(cx.write(async |tx| begin(engine, cx, tx, reply, gathered, &found).await)).await,
        Err(failure) => Err(failure),
    };
    let opening = match begun {
        Ok(Some((row, opening))) => {
            engine.hub.publish(key(cx, conversation.id), Body::ReplyStarted(Arc::new(row)));
            opening
        }
        Ok(None) => return Done::bare(How::Taken),
        Err(failure) => return Done::bare(How::fault(failure)),
    };
    let opening = match opening {
        Ok(opening) => opening,
        Err(failure) => return Done::bare(How::fault(failure)),
    };
    let place = Place { engine, cx, conversation: conversation.id, reply };
    let line = opening.line.clone();
    let how = tokio::select! {
        biased;
        () = writing.stop.cancelled() => How::Stopped,
        () = engine.closing.cancelled() => node_lost(),
        how = compose(&place, opening, &writing.draft) => how,
    };
    Done { model: line.model().map(str::to_owned), how }
}

/// What a reply is written from, beside the passages.
struct Gathered {
    tenant: TenantRow,
    chosen: Chosen,
    prompt: Composed,
    tools: Vec<tools::Declaration>,
    turns: Vec<Said>,
}

async fn gather(cx: &TenantCx, tx: &Tx<Tenant>, conversation: &ConversationRow, reply: &TurnRow) -> Outcome<Gathered> {
    let question = reply.reply_to_id.ok_or_else(|| Failure::fault("a reply without its question"))?;
    let (tenant, chosen, (base, own), tools, history) = try_join!(
        tenants::own(tx),
        models::chosen(tx),
        sections::in_production(tx),
        tools::declared(cx, tx),
        messages::history(tx, conversation.id, question, HISTORY),
    )?;
    let prompt = prompts::compose(tenant.system_prompt.as_deref(), &base, &own, Some(conversation.channel));
    let turns = said(history, conversation.channel);
    Ok(Gathered { tenant, chosen, prompt, tools, turns })
}

/// Marks the reply as being written, and reserves what the first question may use. `None` when it was ended meanwhile. A key that does
/// not open fails the reply once it has begun.
async fn begin(
    engine: &Engine,
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    reply: &TurnRow,
    gathered: Gathered,
    found: &[Passage],
) -> Outcome<Option<(MessageRow, Outcome<Opening>)>> {
    let now = cx.now();
    let quota = gathered.tenant.monthly_token_quota;
    let start = ReplyStart {
        status: MessageStatus::Streaming,
        prompt_hash: gathered.prompt.hash.clone(),
        sources: passages::kept(found),
        lease_expires_at: now + LEASE,
        updated_at: now,
        model: None,
        prompt_tokens: None,
        reserved_tokens: None,
    };
    if quota.is_none() {
        // The asker waits for this. Should the database's machine die with it unwritten, the reply goes on all the same and is
        // stored, with what it used, at its end. What is reserved of a quota is waited for.
        tx.may_be_lost()?;
    }
    let (line, request) = match told(engine, cx, gathered, found) {
        Ok(told) => told,
        Err(failure) => {
            let begun = messages::start_reply(tx, reply.id, &start).await?;
            return Ok(begun.map(|row| (row, Err(failure))));
        }
    };
    let (prompt, wish) = (llm::estimate(&request), request.max_output);
    let question = Question { model: line.model(), prompt, wish };
    let begun = if line.is_metered() {
        let begun = bill::begin(tx, reply, &question, start, quota).await?;
        begun.map(|(row, reserved)| (row, Some((prompt, reserved))))
    } else {
        messages::start_reply(tx, reply.id, &start).await?.map(|row| (row, None))
    };
    Ok(begun.map(|(row, reserved)| (row, Ok(Opening { line, request, reserved }))))
}

/// What the model is told, as far as it fits, and by whom.
fn told(
    engine: &Engine,
    cx: &TenantCx,
    Gathered { tenant, chosen, prompt, tools, turns }: Gathered,
    found: &[Passage],
) -> Outcome<(Arc<Line>, ModelRequest)> {
    let models = &engine.settings.models;
    let faq = prompt.sections.iter().find(|section| section.key == prompts::FAQ).map(|section| section.content.clone());
    let grounding = Grounding {
        faq,
        business: tenant.business_name.unwrap_or(tenant.name),
        contacts: tenant.contact_email.into_iter().chain(tenant.phone_number).collect(),
        passages: found.iter().map(|passage| passage.text.clone()).collect(),
    };
    let wish = chosen.open(cx)?;
    let request = ModelRequest {
        system: passages::told(prompt.text, found),
        turns: llm::fit(turns, models.context_tokens()),
        tools: tools.into_iter().map(spec).collect(),
        max_output: wish.max_output,
        grounding,
    };
    Ok((models.line(&wish), request))
}

/// What customer and business have said to each other.
fn said(history: Vec<PastRow>, channel: Channel) -> Vec<Said> {
    let told = history.into_iter().filter(|message| !message.content.is_empty() && has_arrived(message, channel));
    told.filter_map(|message| match message.role {
        MessageRole::Customer => Some(Said::Customer(message.content)),
        MessageRole::Assistant | MessageRole::Agent => Some(Said::Business(message.content)),
        MessageRole::System | MessageRole::Tool => None,
    })
    .collect()
}

/// Whether the customer has it. Where they don't follow a reply while it is written, they get it whole or not at all. What a filter has
/// cut off counts nowhere: a model that reads it goes on with it, and is cut off again.
fn has_arrived(message: &PastRow, channel: Channel) -> bool {
    let is_whole = message.role != MessageRole::Assistant || message.status == MessageStatus::Complete;
    (is_whole || !carriage::is_carried(channel)) && message.failure_cause != Some(ReplyFailure::ContentFiltered)
}

fn spec(tool: tools::Declaration) -> ToolSpec {
    ToolSpec { name: tool.name.to_owned(), description: tool.description.to_owned(), parameters: tool.parameters }
}

/// Stores the end and settles the bill in one transaction; gives what to tell the watchers.
async fn store_ending(cx: &TenantCx, reply: MessageId, written: Written, done: Done) -> Option<Body> {
    let is_estimated = written.is_estimated;
    let Some(mut end) = as_row(cx, written, done) else { return as_it_is(cx, reply).await };
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

fn as_row(cx: &TenantCx, Written { text, usage, .. }: Written, Done { model, how }: Done) -> Option<ReplyEnd> {
    let mut end = ReplyEnd {
        status: MessageStatus::Complete,
        content: text,
        model,
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
    match how {
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
