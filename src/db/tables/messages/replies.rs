//! Replies in progress: begun, kept, ended. Each carries a lease that its node renews; see the migration.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Array, BigInt, Nullable, Text, Timestamptz},
};
use diesel_async::RunQueryDsl;

use crate::{
    db::{
        kept::Keep,
        schema::messages,
        tables::messages::{MessageRow, TurnRow},
        tx::{Tenant, Tx, Worker},
    },
    kernel::{
        failure::Outcome,
        ids::{ConversationId, MessageId, TenantId},
        vocabulary::{FinishReason, MessageStatus, ReplyFailure},
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
    // What `reserve` notes, where it is known by now.
    pub model: Option<String>,
    pub prompt_tokens: Option<i32>,
    pub reserved_tokens: Option<i32>,
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
    pub failure_cause: Option<ReplyFailure>,
    pub lease_expires_at: Option<DateTime<Utc>>,
    pub updated_at: DateTime<Utc>,
}

/// Marks a waiting reply as being written, with the hash of the prompt that it is written under and the passages that it is
/// written from. Nothing comes back when it was ended meanwhile.
///
/// # Errors
/// Database faults.
pub async fn start_reply(tx: &Tx<Tenant>, id: MessageId, start: &ReplyStart) -> Outcome<Option<MessageRow>> {
    let tenant = tx.tenant();
    Ok(diesel::update(
        messages::table
            .find(id)
            .filter(messages::tenant_id.eq(tenant))
            .filter(messages::status.eq(MessageStatus::Pending)),
    )
    .set(start)
    .returning(MessageRow::as_returning())
    .kept()
    .get_result(&mut tx.line())
    .await
    .optional()?)
}

/// What stands of a reply whose lease was to be renewed. One of which nothing is said is not open any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It goes on.
    Open,
    /// It goes on, and somebody wants it stopped.
    StopRequested,
    /// It goes on; another transaction is changing it, and so its lease is as it was.
    Busy,
}

/// Keeps what was written so far, where something is given, and renews the leases. Waits for nobody who holds one of the rows.
///
/// # Errors
/// Database faults.
pub async fn checkpoint(
    tx: &mut Tx<Tenant>,
    replies: Vec<(MessageId, Option<String>)>,
    lease_expires_at: DateTime<Utc>,
) -> Outcome<HashMap<MessageId, Kept>> {
    let tenant = tx.tenant();
    let (ids, texts): (Vec<_>, Vec<_>) = replies.into_iter().unzip();
    let renewal = Renewal { tenant, ids: ids.clone(), texts, lease_expires_at };
    let renewed: Vec<(MessageId, Option<DateTime<Utc>>)> = renewal.load(tx.conn()).await?;
    let kept = |stop: Option<DateTime<Utc>>| if stop.is_some() { Kept::StopRequested } else { Kept::Open };
    let mut all: HashMap<_, _> = renewed.into_iter().map(|(id, stop)| (id, kept(stop))).collect();
    let rest: Vec<_> = ids.into_iter().filter(|id| !all.contains_key(id)).collect();
    if !rest.is_empty() {
        let open = messages::table
            .filter(messages::tenant_id.eq(tenant))
            .filter(messages::id.eq_any(rest))
            .filter(messages::lease_expires_at.is_not_null());
        let open: Vec<MessageId> = open.select(messages::id).load(tx.conn()).await?;
        all.extend(open.into_iter().map(|id| (id, Kept::Busy)));
    }
    Ok(all)
}

/// "Update each of these rows with its own text", which diesel has no words for.
#[derive(QueryId)]
struct Renewal {
    tenant: TenantId,
    ids: Vec<MessageId>,
    texts: Vec<Option<String>>,
    lease_expires_at: DateTime<Utc>,
}

impl QueryFragment<Pg> for Renewal {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH given AS (SELECT * FROM unnest(");
        out.push_bind_param::<Array<BigInt>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.texts)?;
        out.push_sql(
            ") AS given(id, content)), free AS (SELECT messages.id FROM messages JOIN given ON given.id = messages.id \
             WHERE messages.tenant_id = ",
        );
        out.push_bind_param::<BigInt, _>(&self.tenant)?;
        out.push_sql(
            " AND messages.lease_expires_at IS NOT NULL FOR UPDATE OF messages SKIP LOCKED) \
             UPDATE messages SET content = coalesce(given.content, messages.content), lease_expires_at = ",
        );
        out.push_bind_param::<Timestamptz, _>(&self.lease_expires_at)?;
        out.push_sql(
            " FROM given JOIN free ON free.id = given.id WHERE messages.id = free.id AND messages.tenant_id = ",
        );
        out.push_bind_param::<BigInt, _>(&self.tenant)?;
        out.push_sql(" RETURNING messages.id, messages.stop_requested_at");
        Ok(())
    }
}

impl Query for Renewal {
    type SqlType = (BigInt, Nullable<Timestamptz>);
}

/// Notes that an open reply is to be stopped, for the node that writes it.
///
/// # Errors
/// Database faults.
pub async fn request_stop(tx: &mut Tx<Tenant>, id: MessageId, at: DateTime<Utc>) -> Outcome<()> {
    let tenant = tx.tenant();
    diesel::update(
        messages::table
            .find(id)
            .filter(messages::tenant_id.eq(tenant))
            .filter(messages::lease_expires_at.is_not_null()),
    )
    .set(messages::stop_requested_at.eq(at))
    .kept()
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Whether no reply before this one is open in its conversation.
///
/// # Errors
/// Database faults.
pub async fn is_next(tx: &Tx<Tenant>, conversation: ConversationId, id: MessageId) -> Outcome<bool> {
    Ok(!is_any_open_before(tx, conversation, id).await?)
}

/// Whether any reply is open in a conversation.
///
/// # Errors
/// Database faults.
pub async fn has_open_reply(tx: &Tx<Tenant>, conversation: ConversationId) -> Outcome<bool> {
    is_any_open_before(tx, conversation, MessageId(i64::MAX)).await
}

async fn is_any_open_before(tx: &Tx<Tenant>, conversation: ConversationId, id: MessageId) -> Outcome<bool> {
    let tenant = tx.tenant();
    let earlier = messages::table
        .filter(messages::tenant_id.eq(tenant))
        .filter(messages::conversation_id.eq(conversation))
        .filter(messages::id.lt(id))
        .filter(messages::lease_expires_at.is_not_null());
    Ok(diesel::select(diesel::dsl::exists(earlier)).get_result::<bool>(&mut tx.line()).await?)
}

/// Locks a reply until the end of the transaction; tells the tokens that it holds of its month. `None` when it is not open any more.
///
/// # Errors
/// Database faults.
pub async fn lock_open(tx: &mut Tx<Tenant>, id: MessageId) -> Outcome<Option<i32>> {
    let tenant = tx.tenant();
    let open = messages::table
        .find(id)
        .filter(messages::tenant_id.eq(tenant))
        .filter(messages::lease_expires_at.is_not_null());
    let held =
        open.select(messages::reserved_tokens).for_update().get_result::<Option<i32>>(tx.conn()).await.optional()?;
    Ok(held.map(|held| held.unwrap_or(0)))
}

/// Notes which model is asked for a reply, and what it may use: tokens of all its prompts, by estimate, and all that it
/// holds of its month's quota. For whoever has to end it if this node can't.
///
/// # Errors
/// Database faults.
pub async fn reserve(tx: &Tx<Tenant>, id: MessageId, model: Option<&str>, prompt: i32, tokens: i32) -> Outcome<()> {
    let tenant = tx.tenant();
    diesel::update(messages::table.find(id).filter(messages::tenant_id.eq(tenant)))
        .set((messages::model.eq(model), messages::prompt_tokens.eq(prompt), messages::reserved_tokens.eq(tokens)))
        .kept()
        .execute(&mut tx.line())
        .await?;
    Ok(())
}

/// Ends an open reply, once: of two that try, the second gets nothing back.
///
/// # Errors
/// Database faults.
pub async fn end_reply(tx: &mut Tx<Tenant>, id: MessageId, end: &ReplyEnd) -> Outcome<Option<TurnRow>> {
    let tenant = tx.tenant();
    Ok(diesel::update(
        messages::table
            .find(id)
            .filter(messages::tenant_id.eq(tenant))
            .filter(messages::lease_expires_at.is_not_null()),
    )
    .set(end)
    .returning(TurnRow::as_returning())
    .kept()
    .get_result(tx.conn())
    .await
    .optional()?)
}

/// Makes a reply that failed one that waits to be written, as if it had never begun. `None` when it has not failed.
///
/// # Errors
/// Database faults.
pub async fn revive(
    tx: &mut Tx<Tenant>,
    id: MessageId,
    now: DateTime<Utc>,
    lease: DateTime<Utc>,
) -> Outcome<Option<TurnRow>> {
    let tenant = tx.tenant();
    let end = ReplyEnd {
        status: MessageStatus::Pending,
        content: String::new(),
        model: None,
        prompt_tokens: None,
        completion_tokens: None,
        finish_reason: None,
        failure_code: None,
        failure_reason: None,
        failure_cause: None,
        lease_expires_at: Some(lease),
        updated_at: now,
    };
    let failed = messages::table
        .find(id)
        .filter(messages::tenant_id.eq(tenant))
        .filter(messages::status.eq(MessageStatus::Failed))
        .filter(messages::reply_to_id.is_not_null());
    Ok(diesel::update(failed)
        .set((end, messages::reserved_tokens.eq(None::<i32>)))
        .returning(TurnRow::as_returning())
        .kept()
        .get_result(tx.conn())
        .await
        .optional()?)
}

/// One of them, locked, unless it was ended or renewed meanwhile.
///
/// # Errors
/// Database faults.
pub async fn lock_abandoned(tx: &mut Tx<Tenant>, id: MessageId, now: DateTime<Utc>) -> Outcome<Option<TurnRow>> {
    let tenant = tx.tenant();
    Ok(messages::table
        .find(id)
        .filter(messages::tenant_id.eq(tenant))
        .filter(messages::lease_expires_at.lt(now))
        .select(TurnRow::as_select())
        .for_update()
        .first(tx.conn())
        .await
        .optional()?)
}

/// Open replies whose lease ran out, with the conversation of each: their node is gone.
///
/// # Errors
/// Database faults.
pub async fn abandoned(tx: &mut Tx<Worker>, now: DateTime<Utc>) -> Outcome<Vec<(TenantId, ConversationId, MessageId)>> {
    Ok(messages::table
        .filter(messages::lease_expires_at.lt(now))
        .order(messages::id.asc())
        .limit(100)
        .select((messages::tenant_id, messages::conversation_id, messages::id))
        .load(tx.conn())
        .await?)
}
