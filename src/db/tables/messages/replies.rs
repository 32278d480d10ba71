//! Replies in progress: begun, kept, ended. Each carries a lease that its node renews; see the migration.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::{
    db::{
        schema::messages,
        tables::messages::MessageRow,
        tx::{Tenant, Tx, Worker},
    },
    kernel::{
        failure::Outcome,
        ids::{MessageId, TenantId},
        vocabulary::{FinishReason, MessageStatus},
    },
};

/// How a reply begins.
#[derive(AsChangeset)]
#[diesel(table_name = messages)]
#[expect(missing_docs, reason = "as the row")]
pub struct ReplyStart {
    pub status: MessageStatus,
    pub prompt_hash: String,
    pub sources: serde_json::Value,
    pub lease_expires_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// How a reply ended.
#[derive(AsChangeset)]
#[diesel(table_name = messages, treat_none_as_null = true)]
#[expect(missing_docs, reason = "as the row")]
pub struct ReplyEnd {
    pub status: MessageStatus,
    pub content: String,
    pub model: Option<String>,
    pub prompt_tokens: Option<i32>,
    pub completion_tokens: Option<i32>,
    pub finish_reason: Option<FinishReason>,
    pub failure_code: Option<String>,
    pub failure_reason: Option<String>,
    pub lease_expires_at: Option<DateTime<Utc>>,
    pub updated_at: DateTime<Utc>,
}

/// Marks a waiting reply as being written, with the hash of the prompt that it is written under and the passages that it is
/// written from. Nothing comes back when it was ended meanwhile.
///
/// # Errors
/// Database faults.
pub async fn start_reply(tx: &mut Tx<Tenant>, id: MessageId, start: &ReplyStart) -> Outcome<Option<MessageRow>> {
    let tenant = tx.tenant();
    Ok(diesel::update(
        messages::table
            .find(id)
            .filter(messages::tenant_id.eq(tenant))
            .filter(messages::status.eq(MessageStatus::Pending)),
    )
    .set(start)
    .returning(MessageRow::as_returning())
    .get_result(tx.conn())
    .await
    .optional()?)
}

/// Keeps what was written so far and renews the lease. `false` when the reply is not open any more.
///
/// # Errors
/// Database faults.
pub async fn checkpoint(
    tx: &mut Tx<Tenant>,
    id: MessageId,
    content: Option<&str>,
    lease_expires_at: DateTime<Utc>,
) -> Outcome<bool> {
    let tenant = tx.tenant();
    let open = messages::table
        .find(id)
        .filter(messages::tenant_id.eq(tenant))
        .filter(messages::lease_expires_at.is_not_null());
    let changed = match content {
        Some(content) => {
            diesel::update(open)
                .set((messages::content.eq(content), messages::lease_expires_at.eq(lease_expires_at)))
                .execute(tx.conn())
                .await?
        }
        None => diesel::update(open).set(messages::lease_expires_at.eq(lease_expires_at)).execute(tx.conn()).await?,
    };
    Ok(changed == 1)
}

/// Ends an open reply, once: of two that try, the second gets nothing back.
///
/// # Errors
/// Database faults.
pub async fn end_reply(tx: &mut Tx<Tenant>, id: MessageId, end: &ReplyEnd) -> Outcome<Option<MessageRow>> {
    let tenant = tx.tenant();
    Ok(diesel::update(
        messages::table
            .find(id)
            .filter(messages::tenant_id.eq(tenant))
            .filter(messages::lease_expires_at.is_not_null()),
    )
    .set(end)
    .returning(MessageRow::as_returning())
    .get_result(tx.conn())
    .await
    .optional()?)
}

/// One of them, locked, unless it was ended or renewed meanwhile.
///
/// # Errors
/// Database faults.
pub async fn lock_abandoned(tx: &mut Tx<Tenant>, id: MessageId, now: DateTime<Utc>) -> Outcome<Option<MessageRow>> {
    let tenant = tx.tenant();
    Ok(messages::table
        .find(id)
        .filter(messages::tenant_id.eq(tenant))
        .filter(messages::lease_expires_at.lt(now))
        .select(MessageRow::as_select())
        .for_update()
        .first(tx.conn())
        .await
        .optional()?)
}

/// Open replies whose lease ran out: their node is gone.
///
/// # Errors
/// Database faults.
pub async fn abandoned(tx: &mut Tx<Worker>, now: DateTime<Utc>) -> Outcome<Vec<(TenantId, MessageId)>> {
    Ok(messages::table
        .filter(messages::lease_expires_at.lt(now))
        .order(messages::id.asc())
        .limit(100)
        .select((messages::tenant_id, messages::id))
        .load(tx.conn())
        .await?)
}
