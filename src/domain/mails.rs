//! What a customer writes by mail: their conversation found or opened, their lead, their message kept once; and replies put in
//! line. Must not call Google, nor answer anything itself.

use chrono::TimeDelta;
use uuid::Uuid;

use crate::{
    channels::google::{Mail, Message, Sender},
    context::TenantCx,
    db::{
        tables::{
            conversations::{self, ConversationChanges, ConversationRow, NewConversation},
            mailboxes::{self, MailboxChanges, MailboxRow},
            mails::{self, ReceivedRow, ReplyRow, Taken, ThreadRow},
            messages::MessageRow,
            tenants,
        },
        tx::{Tenant, Tx},
    },
    domain::{
        conversations as threads,
        jobs::{self, Job},
        leads::{self, LeadForm},
    },
    kernel::{
        failure::Outcome,
        vocabulary::{Channel, ConversationStatus, MailStatus, MessageRole},
    },
};

/// Mails that are answered in a day: of one customer in one thread, to one address in all threads, from one address whoever
/// wants the answer, and all of a mailbox. Beyond it, two machines are talking.
const ANSWERED_A_DAY: Taken = Taken { of_thread: 12, of_sender: 30, of_writer: 60, of_mailbox: 500 };

/// A mail out of a mailbox.
pub struct Letter {
    /// As Gmail has it.
    pub message: Message,
    /// Who wrote, what about.
    pub mail: Mail,
    /// What it says.
    pub text: Option<String>,
}

/// Keeps a mail, and puts in line what follows from it. `None` where it is not for the assistant, or was kept before.
///
/// # Errors
/// Database faults.
pub async fn hear(cx: &TenantCx, tx: &mut Tx<Tenant>, letter: &Letter) -> Outcome<Option<MessageRow>> {
    let mail = &letter.mail;
    let sender = match (&mail.reply_to, mail.unanswerable) {
        (Some(sender), None) => sender,
        (_, why) => {
            pass_over(cx, tx, &letter.message.id, why.unwrap_or("nobody can be answered")).await?;
            return Ok(None);
        }
    };
    let writer = mail.from.as_ref().map(|from| from.address.as_str());
    let received = ReceivedRow {
        rfc_message_id: mail.message_id.clone(),
        reference_ids: mail.references.join(" "),
        address: Some(sender.address.clone()),
        passed_over: None,
        from_address: writer.map(str::to_owned),
        arrived_at: letter.message.arrived_at(),
        ..blank(cx, &letter.message.id)
    };
    if !mails::receive(tx, &received).await? {
        pass_over(cx, tx, &letter.message.id, "it is here already").await?;
        return Ok(None);
    }
    let (conversation, is_new) = conversation(cx, tx, letter, sender).await?;
    let known_as = format!("gmail:{}", letter.message.id).chars().take(128).collect();
    let message = threads::heard(cx, tx, conversation.id, content(letter, is_new), known_as).await?;
    mails::became(tx, &letter.message.id, conversation.id, message.id).await?;
    if is_answered(cx, tx, &conversation, &sender.address, writer).await? {
        jobs::enqueue(cx, tx, Some(conversation.id.to_string()), &Job::Answer { message: message.id }).await?;
    }
    Ok(Some(message))
}

/// Notes that a mail was looked at, and why nothing comes of it.
///
/// # Errors
/// Database faults.
pub async fn pass_over(cx: &TenantCx, tx: &mut Tx<Tenant>, gmail_id: &str, why: &str) -> Outcome<()> {
    let row = ReceivedRow { passed_over: Some(why.to_owned()), ..blank(cx, gmail_id) };
    mails::receive(tx, &row).await.map(drop)
}

fn blank(cx: &TenantCx, gmail_id: &str) -> ReceivedRow {
    ReceivedRow {
        tenant_id: cx.scope().tenant(),
        gmail_id: gmail_id.to_owned(),
        rfc_message_id: None,
        reference_ids: String::new(),
        address: None,
        conversation_id: None,
        message_id: None,
        passed_over: None,
        created_at: cx.now(),
        from_address: None,
        arrived_at: None,
    }
}

/// The sender's conversation in the mail's thread, locked; opened again if it was closed. Also says whether it is new.
async fn conversation(
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    letter: &Letter,
    sender: &Sender,
) -> Outcome<(ConversationRow, bool)> {
    let now = cx.now();
    let new = NewConversation {
        tenant_id: cx.scope().tenant(),
        channel: Channel::Email,
        status: ConversationStatus::Bot,
        lead_id: None,
        subject: letter.mail.subject.clone(),
        contact: Some(format!("{}/{}", letter.message.thread, sender.address)),
        created_at: now,
        updated_at: now,
    };
    let (row, is_new) = conversations::open_for_contact(tx, &new).await?;
    if is_new {
        let thread = ThreadRow {
            tenant_id: cx.scope().tenant(),
            conversation_id: row.id,
            thread_id: letter.message.thread.clone(),
            address: sender.address.clone(),
            subject: letter.mail.subject.clone(),
        };
        mails::thread(tx, &thread).await?;
        cx.audit(tx, "conversation.start", row.id);
    }
    let lead_id = if row.lead_id.is_some() {
        None
    } else {
        let form = LeadForm {
            name: sender.name.clone(),
            email: Some(sender.address.clone()),
            source: Some(Channel::Email),
            ..LeadForm::default()
        };
        // Nobody vouches for a mail: its name is that of a lead which it makes, and of none that was there before.
        Some(Some(leads::claimed_in(cx, tx, &form).await?.id))
    };
    let is_closed = row.status == ConversationStatus::Closed;
    if is_closed {
        cx.audit_change(tx, "conversation.update", row.id, Some("status".to_owned()));
    }
    let status = is_closed.then_some(ConversationStatus::Bot);
    let changes = ConversationChanges { status, lead_id, subject: None, updated_at: now };
    Ok((conversations::update(tx, row.id, &changes).await?.unwrap_or(row), is_new))
}

/// What is kept of a mail: its words, and what it is about where that was not said yet.
fn content(letter: &Letter, is_new: bool) -> String {
    let subject = letter.mail.subject.as_deref().filter(|_| is_new || letter.text.is_none());
    let subject = subject.map(|subject| format!("Subject: {subject}"));
    let parts: Vec<_> = subject.into_iter().chain(letter.text.clone()).collect();
    if parts.is_empty() { "[nothing]".to_owned() } else { parts.join("\n\n") }
}

async fn is_answered(
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    conversation: &ConversationRow,
    address: &str,
    writer: Option<&str>,
) -> Outcome<bool> {
    let is_on = mailboxes::find(tx).await?.is_some_and(|mailbox| mailbox.is_enabled);
    if !is_on || conversation.status != ConversationStatus::Bot || !tenants::own(tx).await?.is_active {
        return Ok(false);
    }
    let since = cx.now() - TimeDelta::days(1);
    let taken = mails::taken_since(tx, conversation.id, address, writer, since).await?;
    if taken.of_mailbox > ANSWERED_A_DAY.of_mailbox {
        tracing::error!(tenant = %cx.scope().tenant(), "a mailbox got more mail than is answered in a day");
        return Ok(false);
    }
    let is_loop = taken.of_thread > ANSWERED_A_DAY.of_thread
        || taken.of_sender > ANSWERED_A_DAY.of_sender
        || taken.of_writer > ANSWERED_A_DAY.of_writer;
    if is_loop {
        tracing::warn!(conversation = %conversation.id, "a customer who writes like a machine is not answered today");
    }
    Ok(!is_loop)
}

/// Notes how far a mailbox was read. Only forwards, and only where it is still the same connection.
///
/// # Errors
/// Database faults.
pub async fn read_to(cx: &TenantCx, tx: &mut Tx<Tenant>, generation: i64, history_id: &str) -> Outcome<()> {
    let is_it = |row: &MailboxRow| row.is_open() && row.generation == generation;
    let Some(row) = mailboxes::lock(tx).await?.filter(is_it) else { return Ok(()) };
    let number = |text: &str| text.parse::<u64>().ok();
    let known = row.history_id.as_deref().and_then(number);
    if number(history_id).is_some_and(|next| known.is_none_or(|known| next > known)) {
        let history_id = Some(Some(history_id.to_owned()));
        let changes = MailboxChanges { history_id, updated_at: cx.now(), ..MailboxChanges::default() };
        mailboxes::change(tx, &changes).await?;
    }
    Ok(())
}

/// Whether there is a mailbox to send from.
///
/// # Errors
/// Database faults.
pub async fn may_send(tx: &mut Tx<Tenant>) -> Outcome<bool> {
    Ok(mailboxes::find(tx).await?.is_some_and(|mailbox| mailbox.is_open()))
}

/// Puts a message of the business's in line for the customer of a conversation by mail, in its thread. `false` where it has
/// none, or where a person wrote it and no mailbox is open to send from. What is in line already is left as it is.
///
/// # Errors
/// Database faults.
pub async fn carry(
    cx: &TenantCx,
    tx: &mut Tx<Tenant>,
    conversation: &ConversationRow,
    message: &MessageRow,
) -> Outcome<bool> {
    let Some(thread) = mails::thread_of(tx, conversation.id).await? else { return Ok(false) };
    // Whoever writes is told at once. What a model wrote is paid for, and stands in the conversation as said: it waits in line for a
    // mailbox to be connected.
    if message.role != MessageRole::Assistant && !may_send(tx).await? {
        return Ok(false);
    }
    let now = cx.now();
    let reply = ReplyRow {
        id: Uuid::now_v7(),
        tenant_id: cx.scope().tenant(),
        conversation_id: conversation.id,
        message_id: message.id,
        recipient: thread.address,
        status: MailStatus::Queued,
        gmail_id: None,
        failure: None,
        created_at: now,
        updated_at: now,
    };
    if mails::reply(tx, &reply).await? {
        // One after the other in each thread.
        let lane = Some(format!("mail:{}", conversation.id));
        jobs::enqueue(cx, tx, lane, &Job::Mail { mail: reply.id }).await?;
    }
    Ok(true)
}
