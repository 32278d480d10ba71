//! A message comes in: checked, stored with the reply that it will get, once, whatever its sender repeats. Must not call
//! a model.

use futures_util::try_join;

use crate::{
    chat::{allowance, lease::LEASE},
    context::TenantCx,
    db::{
        tables::{
            conversations::{self, ConversationChanges, ConversationRow, NewConversation},
            messages::{self, MessageRow, NewMessage, TurnRow},
        },
        tx::{Tenant, Tx},
    },
    domain::{carriage, conversations as threads},
    kernel::{
        failure::{ErrorCode, Outcome, Refusal},
        ids::ConversationId,
        text,
        vocabulary::{Channel, ConversationStatus, MessageRole, MessageStatus},
    },
};

/// Longest message, in characters.
const CONTENT_MAX: usize = 16_000;

/// A message to be.
pub struct MessageForm {
    /// Where; `None` opens a new conversation on the web.
    pub conversation: Option<ConversationId>,
    /// What is said.
    pub content: String,
    /// The sender's own id for it: sent again, it is the same message.
    pub client_message_id: Option<String>,
}

/// A message that is stored.
pub struct Accepted {
    /// Where.
    pub conversation: ConversationRow,
    /// The message.
    pub message: MessageRow,
    /// The reply that it gets, waiting or on its way; none where a person answers.
    pub reply: Option<TurnRow>,
    /// No reply before that one is open: it need not wait for its turn.
    pub is_next: bool,
    /// It was not there before.
    pub is_new: bool,
}

/// Stores a message and its waiting reply in one transaction.
///
/// # Errors
/// `BAD_USER_INPUT`, `NOT_FOUND`, and `CONFLICT` for a closed conversation, where there is no way to its customer, or for an id
/// that another message has.
pub(super) async fn accept(cx: &TenantCx, form: &MessageForm) -> Outcome<Accepted> {
    let content = text::required("content", &form.content, CONTENT_MAX)?;
    let client_message_id = text::optional("clientMessageId", form.client_message_id.as_deref(), 128)?;
    cx.write(async |tx| {
        // A visitor says nothing of where: they have one conversation.
        let place = form.conversation.or(cx.scope().bound_to());
        let conversation = conversation(cx, tx, place, client_message_id.as_deref()).await?;
        if let Some(known) = &client_message_id
            && let Some(message) = sent_before(cx, tx, &conversation, known, &content).await?
        {
            let reply = messages::reply_to(tx, message.id).await?;
            return Ok(Accepted { conversation, message, reply, is_next: false, is_new: false });
        }
        // Only now: who asks again for what was stored before the end still gets it.
        if conversation.status == ConversationStatus::Closed {
            return Err(closed(cx).into());
        }
        allowance::today(cx, tx, conversation.id).await?;
        store(cx, tx, conversation, content.clone(), client_message_id.clone()).await
    })
    .await
}

/// Why nothing more is said in a conversation, and what to do: a visitor has this one alone, and may not open it again.
fn closed(cx: &TenantCx) -> Refusal {
    let message = if cx.scope().bound_to().is_some() {
        "This conversation is closed. Start a new one with startVisitorSession."
    } else {
        "This conversation is closed. Start a new one, or open it again with updateConversation."
    };
    Refusal::new(ErrorCode::Conflict, message)
}

/// The conversation, locked: messages join it one after the other.
async fn conversation(
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    id: Option<ConversationId>,
    client_message_id: Option<&str>,
) -> Outcome<ConversationRow> {
    if let Some(id) = id {
        let found = conversations::lock(tx, id).await?.filter(|row| cx.scope().reaches(row.id));
        return Ok(found.ok_or_else(|| Refusal::not_found("conversation"))?);
    }
    let now = cx.now();
    let author = cx.scope().actor().user().map_or_else(|| "server".to_owned(), |user| user.to_string());
    let new = NewConversation {
        tenant_id: cx.scope().tenant(),
        channel: Channel::Web,
        status: ConversationStatus::Bot,
        lead_id: None,
        subject: None,
        // A repeated first message finds the conversation that it opened.
        contact: client_message_id.map(|id| format!("{author}/{id}")),
        created_at: now,
        updated_at: now,
    };
    let (row, is_new) = if new.contact.is_some() {
        conversations::open_for_contact(tx, &new).await?
    } else {
        (conversations::insert(tx, &new).await?, true)
    };
    if is_new {
        cx.audit(tx, "conversation.start", row.id);
    }
    Ok(row)
}

/// This message, where it was sent before. What anybody else sent under the id, or what says something else, is not this one.
async fn sent_before(
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    conversation: &ConversationRow,
    known: &str,
    content: &str,
) -> Outcome<Option<MessageRow>> {
    let Some(message) = messages::sent_before(tx, conversation.id, known).await? else {
        // A provider's message that is known by this id may be on its way, and would count as heard before.
        if conversation.channel != Channel::Web && threads::is_a_providers(known) {
            return Err(Refusal::input(
                "clientMessageId",
                "`clientMessageId` looks like the id of a provider's message. Choose one of your own.",
            )
            .into());
        }
        return Ok(None);
    };
    // Its role is not asked for: a person may have taken the conversation over since.
    if message.author_id != cx.scope().actor().user() || message.content != content {
        return Err(Refusal::conflict(
            "clientMessageId",
            "Another message has this `clientMessageId` in this conversation. Give each message an id of its own.",
        )
        .into());
    }
    Ok(Some(message))
}

async fn store(
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    conversation: ConversationRow,
    content: String,
    client_message_id: Option<String>,
) -> Outcome<Accepted> {
    let now = cx.now();
    // Where the customer is elsewhere, on their phone or in their mail, or speaks: whoever writes here is of the business.
    let is_carried = carriage::is_carried(conversation.channel);
    let by_hand =
        is_carried || conversation.channel == Channel::Voice || conversation.status == ConversationStatus::Human;
    // Where a person answers, the tenant's people do so; a website visitor stays the customer.
    let answers = by_hand && cx.scope().bound_to().is_none();
    let new = NewMessage {
        tenant_id: cx.scope().tenant(),
        conversation_id: conversation.id,
        role: if answers { MessageRole::Agent } else { MessageRole::Customer },
        status: MessageStatus::Complete,
        content,
        author_id: cx.scope().actor().user(),
        reply_to_id: None,
        client_message_id,
        lease_expires_at: None,
        created_at: now,
        updated_at: now,
    };
    // Whoever holds the conversation sees all that came before: no earlier reply can appear.
    let (message, is_waited_for) =
        try_join!(messages::insert(tx, &new), messages::has_open_reply(tx, conversation.id))?;
    if is_carried && !carriage::carry(cx, tx, &conversation, &message).await? {
        return Err(Refusal::new(ErrorCode::Conflict, carriage::no_way(&conversation)).into());
    }
    let touched = ConversationChanges { status: None, lead_id: None, subject: None, updated_at: now };
    let (tx, id) = (&*tx, conversation.id);
    let replied = async { if by_hand { Ok(None) } else { await_reply(cx, tx, &message).await.map(Some) } };
    let (row, reply) = try_join!(conversations::update(tx, id, &touched), replied)?;
    let conversation = row.unwrap_or(conversation);
    Ok(Accepted { conversation, message: message.message, reply, is_next: !is_waited_for, is_new: true })
}

/// Stores the reply that a message gets, waiting to be written.
pub(super) async fn await_reply(cx: &TenantCx, tx: &Tx<Tenant>, question: &MessageRow) -> Outcome<TurnRow> {
    let now = cx.now();
    let reply = NewMessage {
        tenant_id: cx.scope().tenant(),
        conversation_id: question.conversation_id,
        role: MessageRole::Assistant,
        status: MessageStatus::Pending,
        content: String::new(),
        author_id: None,
        reply_to_id: Some(question.id),
        client_message_id: None,
        lease_expires_at: Some(now + LEASE),
        created_at: now,
        updated_at: now,
    };
    messages::insert(tx, &reply).await
}
