//! `email_threads`, `email_received`, `email_replies`: which conversation a thread is, what came in, and what we send.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::{
    db::{
        kept::Keep,
        schema::{email_received, email_replies, email_threads},
        tx::{Tenant, Tx},
    },
    kernel::{
        failure::Outcome,
        ids::{ConversationId, MessageId, TenantId},
        vocabulary::MailStatus,
    },
};

/// A customer in a thread.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = email_threads, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct ThreadRow {
    pub tenant_id: TenantId,
    pub conversation_id: ConversationId,
    pub thread_id: String,
    pub address: String,
    pub subject: Option<String>,
}

/// A mail that came in.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = email_received, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct ReceivedRow {
    pub tenant_id: TenantId,
    pub gmail_id: String,
    pub rfc_message_id: Option<String>,
    pub reference_ids: String,
    pub address: Option<String>,
    pub conversation_id: Option<ConversationId>,
    pub message_id: Option<MessageId>,
    pub passed_over: Option<String>,
    pub created_at: DateTime<Utc>,
    pub from_address: Option<String>,
    pub arrived_at: Option<DateTime<Utc>>,
}

/// A reply that we send.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = email_replies, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct ReplyRow {
    pub id: Uuid,
    pub tenant_id: TenantId,
    pub conversation_id: ConversationId,
    pub message_id: MessageId,
    pub recipient: String,
    pub status: MailStatus,
    pub gmail_id: Option<String>,
    pub failure: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// Which of these were looked at before.
///
/// # Errors
/// Database faults.
pub async fn known(tx: &mut Tx<Tenant>, gmail_ids: &[String]) -> Outcome<Vec<String>> {
    let tenant = tx.tenant();
    Ok(email_received::table
        .filter(email_received::tenant_id.eq(tenant))
        .filter(email_received::gmail_id.eq_any(gmail_ids))
        .select(email_received::gmail_id)
        .load(tx.conn())
        .await?)
}

/// Notes a mail, once by Gmail's id and once by its own. `false` when it is there already.
///
/// # Errors
/// Database faults.
pub async fn receive(tx: &mut Tx<Tenant>, mail: &ReceivedRow) -> Outcome<bool> {
    let inserted =
        diesel::insert_into(email_received::table).values(mail).on_conflict_do_nothing().execute(tx.conn()).await?;
    Ok(inserted == 1)
}

/// Notes which message a mail became.
///
/// # Errors
/// Database faults.
pub async fn became(
    tx: &mut Tx<Tenant>,
    gmail_id: &str,
    conversation: ConversationId,
    message: MessageId,
) -> Outcome<()> {
    let tenant = tx.tenant();
    diesel::update(email_received::table.find((tenant, gmail_id)))
        .set((email_received::conversation_id.eq(conversation), email_received::message_id.eq(message)))
        .kept()
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// The mail that became a message.
///
/// # Errors
/// Database faults.
pub async fn received_as(tx: &mut Tx<Tenant>, message: MessageId) -> Outcome<Option<ReceivedRow>> {
    let tenant = tx.tenant();
    Ok(email_received::table
        .filter(email_received::tenant_id.eq(tenant))
        .filter(email_received::message_id.eq(message))
        .select(ReceivedRow::as_select())
        .first(tx.conn())
        .await
        .optional()?)
}

/// The mail that came last in a conversation.
///
/// # Errors
/// Database faults.
pub async fn last_received(tx: &mut Tx<Tenant>, conversation: ConversationId) -> Outcome<Option<ReceivedRow>> {
    let tenant = tx.tenant();
    Ok(email_received::table
        .filter(email_received::tenant_id.eq(tenant))
        .filter(email_received::conversation_id.eq(conversation))
        .order(email_received::message_id.desc())
        .select(ReceivedRow::as_select())
        .first(tx.conn())
        .await
        .optional()?)
}

/// Notes that a conversation is this thread. Nothing changes where that is known.
///
/// # Errors
/// Database faults.
pub async fn thread(tx: &mut Tx<Tenant>, thread: &ThreadRow) -> Outcome<()> {
    diesel::insert_into(email_threads::table).values(thread).on_conflict_do_nothing().execute(tx.conn()).await?;
    Ok(())
}

/// The thread that a conversation is.
///
/// # Errors
/// Database faults.
pub async fn thread_of(tx: &Tx<Tenant>, conversation: ConversationId) -> Outcome<Option<ThreadRow>> {
    let tenant = tx.tenant();
    Ok(email_threads::table
        .find((tenant, conversation))
        .select(ThreadRow::as_select())
        .first(&mut tx.line())
        .await
        .optional()?)
}

/// Keeps a reply to be sent. `false` when its message has one already.
///
/// # Errors
/// Database faults.
pub async fn reply(tx: &mut Tx<Tenant>, reply: &ReplyRow) -> Outcome<bool> {
    let inserted =
        diesel::insert_into(email_replies::table).values(reply).on_conflict_do_nothing().execute(tx.conn()).await?;
    Ok(inserted == 1)
}

/// The replies that carry these messages, for the loader.
///
/// # Errors
/// Database faults.
pub async fn of_messages(tx: &mut Tx<Tenant>, messages: &[MessageId]) -> Outcome<Vec<ReplyRow>> {
    let tenant = tx.tenant();
    Ok(email_replies::table
        .filter(email_replies::tenant_id.eq(tenant))
        .filter(email_replies::message_id.eq_any(messages))
        .select(ReplyRow::as_select())
        .load(tx.conn())
        .await?)
}

/// A reply, locked until the transaction ends.
///
/// # Errors
/// Database faults.
pub async fn lock_reply(tx: &mut Tx<Tenant>, id: Uuid) -> Outcome<Option<ReplyRow>> {
    let tenant = tx.tenant();
    Ok(email_replies::table
        .find(id)
        .filter(email_replies::tenant_id.eq(tenant))
        .select(ReplyRow::as_select())
        .for_update()
        .first(tx.conn())
        .await
        .optional()?)
}

/// How far a reply has come.
#[derive(Debug, AsChangeset)]
#[diesel(table_name = email_replies)]
#[expect(missing_docs, reason = "as the row")]
pub struct Progress {
    pub status: MailStatus,
    /// `None` leaves what is known.
    pub gmail_id: Option<String>,
    pub failure: Option<Option<String>>,
    pub updated_at: DateTime<Utc>,
}

/// Notes how far a reply has come.
///
/// # Errors
/// Database faults.
pub async fn progress(tx: &mut Tx<Tenant>, id: Uuid, progress: &Progress) -> Outcome<()> {
    let tenant = tx.tenant();
    diesel::update(email_replies::table.find(id).filter(email_replies::tenant_id.eq(tenant)))
        .set(progress)
        .kept()
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// How many mails were not passed over: what the count of replies is limited by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Of a conversation.
    pub of_thread: i64,
    /// To be answered at an address.
    pub of_sender: i64,
    /// Written from an address.
    pub of_writer: i64,
    /// Of all.
    pub of_mailbox: i64,
}

/// How many mails were not passed over since then. None is of a writer who is not known.
///
/// # Errors
/// Database faults.
pub async fn taken_since(
    tx: &mut Tx<Tenant>,
    conversation: ConversationId,
    address: &str,
    writer: Option<&str>,
    since: DateTime<Utc>,
) -> Outcome<Taken> {
    let tenant = tx.tenant();
    let recent = || {
        email_received::table
            .filter(email_received::tenant_id.eq(tenant))
            .filter(email_received::passed_over.is_null())
            .filter(email_received::created_at.gt(since))
            .count()
    };
    let of_thread = recent().filter(email_received::conversation_id.eq(conversation)).get_result(tx.conn()).await?;
    let of_sender = recent().filter(email_received::address.eq(address)).get_result(tx.conn()).await?;
    let of_writer = recent().filter(email_received::from_address.eq(writer)).get_result(tx.conn()).await?;
    let of_mailbox = recent().get_result(tx.conn()).await?;
    Ok(Taken { of_thread, of_sender, of_writer, of_mailbox })
}
