//! What a customer texts: their conversation found or opened, their lead, their message kept once, and a word for the channel
//! obeyed, the same for every provider. Must not send anything itself, nor have a model answer.

use chrono::{DateTime, Utc};

use crate::{
    channels::texting::{Inbound, Keyword},
    context::TenantCx,
    db::{
        tables::{
            conversations::{self, ConversationChanges, ConversationRow, NewConversation},
            inbox::KeptRow,
            messages::{self, MessageRow},
            settings, tenants, texts as rows,
        },
        tx::{Tenant, Tx},
    },
    domain::{
        conversations as threads,
        jobs::{self, Job},
        leads::{self, LeadForm},
        texts::{self, Notice},
    },
    kernel::{
        failure::Outcome,
        phone,
        vocabulary::{Channel, ConversationStatus, SmsAnswerer, TextProvider},
    },
};

/// Longest message that is kept whole, in characters: two of the longest that providers carry.
const CONTENT_MAX: usize = 4_000;
/// Longest name of a sender that is no number.
const SENDER_MAX: usize = 40;
/// Messages of one customer in a day that are answered. Beyond it, two machines are talking.
const ANSWERED_A_DAY: i64 = 100;

/// What follows from a message.
enum Next {
    /// Nothing.
    Nothing,
    /// The assistant is to answer it.
    Answer,
    /// A word for the channel was answered by this.
    Said(Box<MessageRow>),
}

/// Keeps what a customer wrote, and puts in line what follows from it. Gives what joined their conversation: nothing when it was
/// kept before.
///
/// # Errors
/// `BAD_USER_INPUT` for a sender that can't be one.
pub async fn hear(
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    provider: TextProvider,
    kept: &KeptRow,
    said: &Inbound,
) -> Outcome<Vec<MessageRow>> {
    let (contact, is_number) = sender(&said.from);
    let conversation = conversation(cx, tx, &contact).await?;
    // The same event is kept once. The same message may come again as another event. An answer goes the way that this names.
    let id = said.id.as_deref().unwrap_or(&kept.event_id);
    // An id of Telnyx's is 36 characters long, one of ours of Twilio's twice that and some.
    let known_as: String = format!("{}:{id}", provider.as_str()).chars().take(128).collect();
    if messages::sent_before(tx, conversation.id, &known_as).await?.is_some() {
        return Ok(Vec::new());
    }
    let conversation = with_lead(cx, tx, conversation, &contact, is_number).await?;
    let message = threads::heard(cx, tx, conversation.id, content(said), known_as).await?;
    conversations::came_by(tx, conversation.id, provider).await?;
    // Short codes and names write too; what we say would reach nobody, or a machine.
    let contact = Some(contact).filter(|_| is_number);
    let at = said.at.map_or(kept.received_at, |at| at.min(kept.received_at));
    match next(cx, tx, provider, &conversation, said, contact.as_deref(), at).await? {
        Next::Nothing => Ok(vec![message]),
        Next::Answer => {
            let lane = Some(conversation.id.to_string());
            jobs::enqueue(cx, tx, lane, &Job::Answer { message: message.id }).await?;
            Ok(vec![message])
        }
        Next::Said(answer) => Ok(vec![message, *answer]),
    }
}

/// A sender as it is kept, and whether it is a number.
fn sender(from: &str) -> (String, bool) {
    match phone::normalise("from", from) {
        Ok(number) => (number, true),
        Err(_) => (from.chars().filter(|c| !c.is_control()).take(SENDER_MAX).collect(), false),
    }
}

/// The customer's conversation, locked; opened again if it was closed.
async fn conversation(cx: &TenantCx, tx: &mut Tx<Tenant>, contact: &str) -> Outcome<ConversationRow> {
    let now = cx.now();
    let new = NewConversation {
        tenant_id: cx.scope().tenant(),
        channel: Channel::Sms,
        status: ConversationStatus::Bot,
        lead_id: None,
        subject: None,
        contact: Some(contact.to_owned()),
        created_at: now,
        updated_at: now,
    };
    let (row, is_new) = conversations::open_for_contact(tx, &new).await?;
    if is_new {
        cx.audit(tx, "conversation.start", row.id);
    }
    if row.status != ConversationStatus::Closed {
        return Ok(row);
    }
    let open =
        ConversationChanges { status: Some(ConversationStatus::Bot), lead_id: None, subject: None, updated_at: now };
    cx.audit_change(tx, "conversation.update", row.id, Some("status".to_owned()));
    Ok(conversations::update(tx, row.id, &open).await?.unwrap_or(row))
}

/// The conversation with its lead: who writes from a number is known by it.
async fn with_lead(
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    conversation: ConversationRow,
    contact: &str,
    is_number: bool,
) -> Outcome<ConversationRow> {
    if conversation.lead_id.is_some() || !is_number {
        return Ok(conversation);
    }
    let form = LeadForm { phone: Some(contact.to_owned()), source: Some(Channel::Sms), ..LeadForm::default() };
    let lead = leads::noted_in(cx, tx, &form).await?;
    let link = ConversationChanges { status: None, lead_id: Some(Some(lead.id)), subject: None, updated_at: cx.now() };
    Ok(conversations::update(tx, conversation.id, &link).await?.unwrap_or(conversation))
}

/// What is kept of a message: its words, and where to find what came with them. PostgreSQL keeps no NUL.
fn content(said: &Inbound) -> String {
    let text: String = said.text.chars().filter(|c| *c != '\0').take(CONTENT_MAX).collect();
    let media = said.media.iter().map(|media| format!("[{}: {}]", media.content_type, media.url));
    let lines: Vec<_> = Some(text.trim().to_owned()).into_iter().filter(|text| !text.is_empty()).chain(media).collect();
    let whole = if lines.is_empty() { "[nothing]".to_owned() } else { lines.join("\n") };
    whole.chars().filter(|c| *c != '\0').take(2 * CONTENT_MAX).collect()
}

/// Obeys a word for the channel, said at `at`, and tells what follows from the message.
async fn next(
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    provider: TextProvider,
    conversation: &ConversationRow,
    said: &Inbound,
    contact: Option<&str>,
    at: DateTime<Utc>,
) -> Outcome<Next> {
    let Some(contact) = contact else { return Ok(Next::Nothing) };
    let own = settings::sms_of_own(tx).await?;
    let tenant = tenants::own(tx).await?;
    let by_assistant = provider == TextProvider::Telnyx && own.answered_by == SmsAnswerer::TelnyxAssistant;
    let we_answer = own.is_enabled && tenant.is_active && !by_assistant;
    match said.keyword {
        Some(Keyword::Stop) => {
            rows::opt_out(tx, contact, at).await?;
            cx.audit(tx, "sms.stop", conversation.id);
            // The provider confirms it: a text of ours would be one more after "no more".
            return Ok(Next::Nothing);
        }
        Some(Keyword::Start) => {
            rows::opt_in(tx, contact, at).await?;
            cx.audit(tx, "sms.start", conversation.id);
            return Ok(Next::Nothing);
        }
        Some(Keyword::Help) => {
            if we_answer && !said.is_answered {
                let name = tenant.business_name.as_deref().unwrap_or(&tenant.name);
                let reach = tenant.phone_number.as_deref().or(tenant.contact_email.as_deref());
                let reach = reach.map_or_else(String::new, |reach| format!(" Reach us at {reach}."));
                let content = format!("{name}: write your question here.{reach} Reply STOP for no more texts.");
                let (conversation, provider) = (conversation.id, Some(provider));
                let notice = Notice { conversation, provider, to: contact, content, known_as: None };
                let said = texts::say(cx, tx, notice).await?;
                return Ok(said.map_or(Next::Nothing, |said| Next::Said(Box::new(said))));
            }
            return Ok(Next::Nothing);
        }
        None => {}
    }
    if rows::is_opted_out(tx, contact).await? {
        if Keyword::is_yes(&said.text) {
            rows::opt_in(tx, contact, at).await?;
            cx.audit(tx, "sms.start", conversation.id);
        }
        return Ok(Next::Nothing);
    }
    if !we_answer || conversation.status == ConversationStatus::Human {
        return Ok(Next::Nothing);
    }
    let day = chrono::TimeDelta::days(1);
    let first = messages::nth_newest_question(tx, conversation.id, ANSWERED_A_DAY + 1).await?;
    let is_loop = first.is_some_and(|first| cx.now() - first < day);
    if is_loop {
        tracing::warn!(conversation = %conversation.id, "a customer who writes like a machine is not answered today");
    }
    Ok(if is_loop { Next::Nothing } else { Next::Answer })
}
