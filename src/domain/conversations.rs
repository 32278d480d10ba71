//! Threads: opened, handed over, closed.

use crate::{
    context::{TenantCx, audit},
    db::{
        tables::{
            conversations::{self, ConversationChanges, ConversationRow, NewConversation},
            leads,
            messages::{self, MessageRow, NewMessage},
        },
        tx::{Tenant, Tx},
    },
    kernel::{
        failure::{Outcome, Refusal},
        ids::{ConversationId, LeadId},
        text,
        vocabulary::{Channel, ConversationStatus, MessageRole, MessageStatus},
    },
};

/// What the ids begin with that messages of providers are known by: of texts, of mail, and of what is said and sent in calls.
const PROVIDERS_IDS: &[&str] = &["TELNYX:", "TWILIO:", "gmail:", "call/"];

/// A thread to be.
pub struct ConversationForm {
    /// Where it takes place.
    pub channel: Channel,
    /// Whom with.
    pub lead: Option<LeadId>,
    /// What about.
    pub subject: Option<String>,
}

/// Opens a conversation.
///
/// # Errors
/// `BAD_USER_INPUT`; `NOT_FOUND` for a lead that is not there.
pub async fn start(cx: &TenantCx, form: &ConversationForm) -> Outcome<ConversationRow> {
    let now = cx.now();
    let conversation = NewConversation {
        tenant_id: cx.scope().tenant(),
        channel: form.channel,
        status: ConversationStatus::Bot,
        lead_id: form.lead,
        subject: text::optional("subject", form.subject.as_deref(), 300)?,
        contact: None,
        created_at: now,
        updated_at: now,
    };
    cx.write(async |tx| {
        known(tx, form.lead).await?;
        let row = conversations::insert(tx, &conversation).await?;
        cx.audit(tx, "conversation.start", row.id);
        Ok(row)
    })
    .await
}

/// Changes to a conversation. An outer `None` leaves as it is, an inner one clears.
#[derive(Default)]
pub struct ConversationEdit {
    /// Who answers, or that it is closed.
    pub status: Option<ConversationStatus>,
    /// Whom with.
    pub lead: Option<Option<LeadId>>,
    /// What about.
    pub subject: Option<Option<String>>,
}

/// Hands a conversation over, closes it, or says what it is about.
///
/// # Errors
/// `BAD_USER_INPUT`; `NOT_FOUND` for a conversation or lead that is not there.
pub async fn update(cx: &TenantCx, id: ConversationId, edit: &ConversationEdit) -> Outcome<ConversationRow> {
    let changes = ConversationChanges {
        status: edit.status,
        lead_id: edit.lead,
        subject: edit.subject.as_ref().map(|subject| text::optional("subject", subject.as_deref(), 300)).transpose()?,
        updated_at: cx.now(),
    };
    let detail = audit::said(&[
        ("status", changes.status.is_some()),
        ("lead", changes.lead_id.is_some()),
        ("subject", changes.subject.is_some()),
    ]);
    cx.write(async |tx| {
        known(tx, edit.lead.flatten()).await?;
        let missing = || Refusal::not_found("conversation");
        let thread = conversations::find(tx, id).await?.ok_or_else(missing)?;
        if !changes.is_news(&thread) {
            return Ok(thread);
        }
        let row = conversations::update(tx, id, &changes).await?.ok_or_else(missing)?;
        cx.audit_change(tx, "conversation.update", id, detail);
        Ok(row)
    })
    .await
}

/// Whether an id is such as messages have that providers tell of.
#[must_use]
pub fn is_a_providers(id: &str) -> bool {
    PROVIDERS_IDS.iter().any(|start| id.starts_with(start))
}

/// Adds what a customer wrote on a channel of its own, where it is `known_as` this, as [`is_a_providers`] has it.
pub(super) async fn heard(
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    id: ConversationId,
    content: String,
    known_as: String,
) -> Outcome<MessageRow> {
    add(cx, tx, id, MessageRole::Customer, content, Some(known_as)).await
}

/// Adds what the business says of its own accord, without a model.
pub(super) async fn said(
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    id: ConversationId,
    content: String,
    known_as: Option<String>,
) -> Outcome<MessageRow> {
    add(cx, tx, id, MessageRole::Assistant, content, known_as).await
}

async fn add(
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    id: ConversationId,
    role: MessageRole,
    content: String,
    known_as: Option<String>,
) -> Outcome<MessageRow> {
    let now = cx.now();
    let message = NewMessage {
        tenant_id: cx.scope().tenant(),
        conversation_id: id,
        role,
        status: MessageStatus::Complete,
        content,
        author_id: None,
        reply_to_id: None,
        client_message_id: known_as,
        lease_expires_at: None,
        created_at: now,
        updated_at: now,
    };
    let message = messages::insert(tx, &message).await?;
    conversations::touch(tx, id, now).await?;
    Ok(message.message)
}

/// In the transaction of the write, and held, so that the lead can't go meanwhile.
async fn known(tx: &mut Tx<Tenant>, lead: Option<LeadId>) -> Outcome<()> {
    if let Some(lead) = lead {
        leads::hold(tx, lead).await?.ok_or_else(|| Refusal::not_found("lead"))?;
    }
    Ok(())
}
