//! Text messages of ours: put in line part by part, and what becomes of them. Must not send any.

use uuid::Uuid;

use crate::{
    channels::texting::{Receipt, split},
    context::TenantCx,
    db::{
        tables::{
            conversations::ConversationRow,
            messages::{self, MessageRow, TurnRow},
            settings,
            texts::{self, Progress, TextRow},
        },
        tx::{Tenant, Tx},
    },
    domain::{
        conversations as threads,
        jobs::{self, Job},
    },
    kernel::{
        failure::Outcome,
        ids::ConversationId,
        vocabulary::{TextProvider, TextStatus},
    },
};

/// What the business says by text of its own accord: neither a reply that a model writes nor a person's message.
pub struct Notice<'a> {
    /// Where it stands for the business's people. Whoever says it holds the conversation.
    pub conversation: ConversationId,
    /// By whom; by whichever the tenant has a number at, if it is not said.
    pub provider: Option<TextProvider>,
    /// To which number.
    pub to: &'a str,
    /// What it says, of any length.
    pub content: String,
    /// By what it is known, where it has to be found again ([`has_failed`]): an id as providers' messages have, which nobody else
    /// may choose.
    pub known_as: Option<String>,
}

/// Says something by text: a message of its conversation, so that people see it and what becomes of it, put in line. `None` when
/// the tenant has no number to send it from.
///
/// # Errors
/// Database faults.
pub async fn say(cx: &TenantCx, tx: &mut Tx<Tenant>, notice: Notice<'_>) -> Outcome<Option<MessageRow>> {
    let Some(sender) = sender(tx, notice.provider).await? else { return Ok(None) };
    let message = threads::said(cx, tx, notice.conversation, notice.content, notice.known_as).await?;
    queue(cx, tx, &sender, notice.to, &message).await?;
    Ok(Some(message))
}

/// Whether what was said in a conversation, and is known as this, did not get to its customer, or not all of it.
///
/// # Errors
/// Database faults.
pub async fn has_failed(tx: &mut Tx<Tenant>, conversation: ConversationId, known_as: &str) -> Outcome<bool> {
    let Some(message) = messages::sent_before(tx, conversation, known_as).await? else { return Ok(false) };
    let parts = texts::of_messages(tx, &[message.id]).await?;
    Ok(parts.values().flatten().any(|part| part.status == TextStatus::Failed))
}

/// Puts a message of the business's in line for the customer of a conversation by text: an answer by the provider that its question
/// came by, anything else by the one that they wrote by last. `false` when the tenant has no number there.
///
/// # Errors
/// Database faults.
pub async fn carry(
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    conversation: &ConversationRow,
    message: &TurnRow,
) -> Outcome<bool> {
    let Some(to) = conversation.contact.as_deref() else { return Ok(false) };
    let provider = asked_by(tx, message).await?.or(conversation.text_provider);
    let Some(sender) = sender(tx, provider).await? else { return Ok(false) };
    queue(cx, tx, &sender, to, message).await?;
    Ok(true)
}

/// The tenant's number that a text goes out from, and at whom it is.
async fn sender(tx: &mut Tx<Tenant>, provider: Option<TextProvider>) -> Outcome<Option<(TextProvider, String)>> {
    let own = settings::sms_of_own(tx).await?;
    let choices = match provider {
        Some(provider) => vec![provider],
        None => vec![TextProvider::Telnyx, TextProvider::Twilio],
    };
    Ok(choices.into_iter().find_map(|provider| Some((provider, own.number(provider)?.to_owned()))))
}

/// Puts a message in line, in as many parts as it needs. What is in line for it already is left as it is.
async fn queue(
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    (provider, sender): &(TextProvider, String),
    to: &str,
    message: &MessageRow,
) -> Outcome<()> {
    let now = cx.now();
    for (part, content) in (0..).zip(split(&message.content)) {
        let row = TextRow {
            id: Uuid::now_v7(),
            tenant_id: cx.scope().tenant(),
            conversation_id: Some(message.conversation_id),
            message_id: Some(message.id),
            part,
            provider: *provider,
            sender: sender.clone(),
            recipient: to.to_owned(),
            content,
            status: TextStatus::Queued,
            provider_id: None,
            failure: None,
            created_at: now,
            updated_at: now,
        };
        if texts::insert(tx, &row).await? {
            // One after the other to each customer: parts, and replies, arrive in their order.
            jobs::enqueue(cx, tx, Some(format!("to:{}", row.recipient)), &Job::Text { text: row.id }).await?;
        }
    }
    Ok(())
}

/// The provider by which the message came that this one answers: its customer may have written by another since. What it is known as
/// begins with that (`sms.rs`).
async fn asked_by(tx: &mut Tx<Tenant>, answer: &TurnRow) -> Outcome<Option<TextProvider>> {
    let Some(question) = answer.reply_to_id else { return Ok(None) };
    let question = messages::find(tx, question).await?;
    let known_as = question.and_then(|question| question.message.client_message_id);
    Ok(known_as.and_then(|known_as| known_as.split_once(':')?.0.parse().ok()))
}

/// Notes what a provider says of a text: by its own name for it or, where the answer that told us that was lost, by ours
/// (`own`). `false` when there is no such text. Receipts come in any order: none takes a text back.
///
/// # Errors
/// Database faults.
pub async fn note(
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    provider: TextProvider,
    receipt: &Receipt,
    own: Option<Uuid>,
) -> Outcome<bool> {
    let known = match texts::lock_by_provider(tx, provider, &receipt.id).await? {
        Some(row) => Some(row),
        None => match own {
            Some(id) => texts::lock(tx, id).await?.filter(|row| row.provider == provider && row.provider_id.is_none()),
            None => None,
        },
    };
    let Some(row) = known else { return Ok(false) };
    let is_news = rank(receipt.status) > rank(row.status) || row.provider_id.is_none();
    if is_news {
        let progress = Progress {
            status: if rank(receipt.status) > rank(row.status) { receipt.status } else { row.status },
            provider_id: Some(receipt.id.clone()),
            failure: Some(receipt.failure.clone()),
            updated_at: cx.now(),
        };
        texts::progress(tx, row.id, &progress).await?;
    }
    Ok(true)
}

/// What came of a text is known better the higher this is.
fn rank(status: TextStatus) -> u8 {
    match status {
        TextStatus::Queued | TextStatus::Sending | TextStatus::Unknown => 0,
        TextStatus::Sent => 1,
        TextStatus::Failed | TextStatus::Delivered => 2,
    }
}
