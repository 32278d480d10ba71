//! `messages`.

mod replies;

use std::{collections::HashMap, ops::Deref, sync::Arc};

use chrono::{DateTime, Utc};
use diesel::{
    dsl::{AsSelect, SqlTypeOf},
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Array, BigInt},
};
use diesel_async::RunQueryDsl;
use futures_util::TryStreamExt;

use crate::{
    db::{
        schema::messages,
        tx::{Tenant, Tx},
    },
    kernel::{
        failure::Outcome,
        ids::{ConversationId, MessageId, TenantId, UserId},
        page::{Page, Slice},
        vocabulary::{FinishReason, MessageRole, MessageStatus, ReplyFailure},
    },
};

pub use replies::{
    Kept, ReplyEnd, ReplyStart, abandoned, checkpoint, end_reply, has_open_reply, is_next, lock_abandoned, lock_open,
    request_stop, reserve, revive, start_reply,
};

/// One message. Nodes tell each other of it in this form: what leaves it has to stay for one more release, or an older node can't read it.
#[derive(Debug, Clone, Queryable, Selectable, serde::Serialize, serde::Deserialize)]
#[diesel(table_name = messages)]
#[expect(missing_docs, reason = "the columns are described in the migration and in the graph")]
pub struct MessageRow {
    pub id: MessageId,
    pub conversation_id: ConversationId,
    pub role: MessageRole,
    pub status: MessageStatus,
    pub content: String,
    pub author_id: Option<UserId>,
    pub client_message_id: Option<String>,
    pub model: Option<String>,
    pub prompt_tokens: Option<i32>,
    pub completion_tokens: Option<i32>,
    pub prompt_hash: Option<String>,
    pub sources: serde_json::Value,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A message with what is noted of it while it is answered, or written as an answer. A page of messages needs none of that; to read it there
/// would cost half as much again.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = messages)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct TurnRow {
    #[diesel(embed)]
    pub message: MessageRow,
    pub reply_to_id: Option<MessageId>,
    pub finish_reason: Option<FinishReason>,
    pub failure_code: Option<String>,
    pub failure_reason: Option<String>,
    pub stop_requested_at: Option<DateTime<Utc>>,
    pub failure_cause: Option<ReplyFailure>,
    pub reserved_tokens: Option<i32>,
}

impl Deref for TurnRow {
    type Target = MessageRow;

    fn deref(&self) -> &MessageRow {
        &self.message
    }
}

/// A message of the past, as far as it matters to a model.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = messages)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct PastRow {
    pub id: MessageId,
    pub reply_to_id: Option<MessageId>,
    pub role: MessageRole,
    pub status: MessageStatus,
    pub content: String,
    pub failure_cause: Option<ReplyFailure>,
}

/// A message to be.
#[derive(Insertable)]
#[diesel(table_name = messages, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "as the row")]
pub struct NewMessage {
    pub tenant_id: TenantId,
    pub conversation_id: ConversationId,
    pub role: MessageRole,
    pub status: MessageStatus,
    pub content: String,
    pub author_id: Option<UserId>,
    pub reply_to_id: Option<MessageId>,
    pub client_message_id: Option<String>,
    pub lease_expires_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// One message.
///
/// # Errors
/// Database faults.
pub async fn find(tx: &mut Tx<Tenant>, id: MessageId) -> Outcome<Option<TurnRow>> {
    let tenant = tx.tenant();
    Ok(messages::table
        .find(id)
        .filter(messages::tenant_id.eq(tenant))
        .select(TurnRow::as_select())
        .first(tx.conn())
        .await
        .optional()?)
}

/// Several messages, for the loader.
///
/// # Errors
/// Database faults.
pub async fn find_many(tx: &mut Tx<Tenant>, ids: &[MessageId]) -> Outcome<Vec<MessageRow>> {
    let tenant = tx.tenant();
    Ok(messages::table
        .filter(messages::id.eq_any(ids))
        .filter(messages::tenant_id.eq(tenant))
        .select(MessageRow::as_select())
        .load(tx.conn())
        .await?)
}

/// The message that was sent under this id already, whoever sent it and whatever it says.
///
/// # Errors
/// Database faults.
pub async fn sent_before(
    tx: &mut Tx<Tenant>,
    conversation: ConversationId,
    client_message_id: &str,
) -> Outcome<Option<MessageRow>> {
    let tenant = tx.tenant();
    Ok(messages::table
        .filter(messages::tenant_id.eq(tenant))
        .filter(messages::conversation_id.eq(conversation))
        .filter(messages::client_message_id.eq(client_message_id))
        .select(MessageRow::as_select())
        .first(tx.conn())
        .await
        .optional()?)
}

/// The reply to a message.
///
/// # Errors
/// Database faults.
pub async fn reply_to(tx: &mut Tx<Tenant>, id: MessageId) -> Outcome<Option<TurnRow>> {
    let tenant = tx.tenant();
    Ok(messages::table
        .filter(messages::tenant_id.eq(tenant))
        .filter(messages::reply_to_id.eq(id))
        .select(TurnRow::as_select())
        .first(tx.conn())
        .await
        .optional()?)
}

/// Whether a person of the business has written in a conversation since a message. Whoever asks holds the conversation, so that
/// none joins meanwhile.
///
/// # Errors
/// Database faults.
pub async fn is_answered_by_hand(tx: &mut Tx<Tenant>, conversation: ConversationId, since: MessageId) -> Outcome<bool> {
    let tenant = tx.tenant();
    let by_hand = messages::table
        .filter(messages::tenant_id.eq(tenant))
        .filter(messages::conversation_id.eq(conversation))
        .filter(messages::id.gt(since))
        .filter(messages::role.eq(MessageRole::Agent));
    Ok(diesel::select(diesel::dsl::exists(by_hand)).get_result::<bool>(tx.conn()).await?)
}

/// When the `n`th newest message of the customer in a conversation was stored, if there are as many. Whoever asks holds the
/// conversation, so that none joins meanwhile.
///
/// # Errors
/// Database faults.
pub async fn nth_newest_question(
    tx: &mut Tx<Tenant>,
    conversation: ConversationId,
    n: i64,
) -> Outcome<Option<DateTime<Utc>>> {
    let tenant = tx.tenant();
    Ok(messages::table
        .filter(messages::tenant_id.eq(tenant))
        .filter(messages::conversation_id.eq(conversation))
        .filter(messages::role.eq(MessageRole::Customer))
        .order(messages::id.desc())
        .offset(n.max(1) - 1)
        .select(messages::created_at)
        .first(tx.conn())
        .await
        .optional()?)
}

/// The newest messages up to and with `until`, and the replies to those before it, each behind its question: what a model is told of
/// the past. A reply may have come into being when later questions were there already.
///
/// # Errors
/// Database faults.
pub async fn history(
    tx: &Tx<Tenant>,
    conversation: ConversationId,
    until: MessageId,
    limit: usize,
) -> Outcome<Vec<PastRow>> {
    let (tenant, most) = (tx.tenant(), i64::try_from(limit).unwrap_or(i64::MAX));
    let all =
        || messages::table.filter(messages::tenant_id.eq(tenant)).filter(messages::conversation_id.eq(conversation));
    // Two walks of one index: by the order that is wanted there is none.
    let said = all().filter(messages::id.le(until)).order(messages::id.desc()).limit(most);
    let later = all().filter(messages::id.gt(until)).filter(messages::reply_to_id.lt(until));
    let later = later.order(messages::id.desc()).limit(most);
    let mut rows: Vec<PastRow> =
        said.select(PastRow::as_select()).union_all(later.select(PastRow::as_select())).load(&mut tx.line()).await?;
    rows.sort_unstable_by_key(|row| (row.reply_to_id.unwrap_or(row.id), row.id));
    rows.drain(..rows.len().saturating_sub(limit));
    Ok(rows)
}

/// Messages behind `behind` that were added or ended after `since`: what a watcher missed, when the log of events is gone.
///
/// # Errors
/// Database faults.
pub async fn changed_since(
    tx: &mut Tx<Tenant>,
    conversation: ConversationId,
    since: DateTime<Utc>,
    behind: MessageId,
    limit: i64,
) -> Outcome<Vec<TurnRow>> {
    let tenant = tx.tenant();
    Ok(messages::table
        .filter(messages::tenant_id.eq(tenant))
        .filter(messages::conversation_id.eq(conversation))
        .filter(messages::updated_at.gt(since))
        .filter(messages::id.gt(behind))
        .order(messages::id.asc())
        .limit(limit)
        .select(TurnRow::as_select())
        .load(tx.conn())
        .await?)
}

/// The same page of several conversations at once, each oldest first as one reads it: one statement, whatever their
/// number.
///
/// # Errors
/// Database faults.
pub async fn pages(
    tx: &mut Tx<Tenant>,
    conversations: &[ConversationId],
    page: &Page,
) -> Outcome<HashMap<ConversationId, Slice<Arc<MessageRow>>>> {
    let latest = LatestOfEach {
        columns: MessageRow::as_select(),
        tenant: tx.tenant(),
        conversations: conversations.to_vec(),
        after: page.after.as_ref().map_or(0, |place| place.id),
        before: page.before.as_ref().map_or(i64::MAX, |place| place.id),
        limit: page.limit(),
        backwards: page.backwards,
    };
    let mut pages: HashMap<ConversationId, Vec<Arc<MessageRow>>> =
        conversations.iter().map(|id| (*id, Vec::new())).collect();
    // Taken one by one as they come: a list of all would be moved whenever it grows.
    let mut rows = latest.load_stream::<MessageRow>(tx.conn()).await?;
    while let Some(row) = rows.try_next().await? {
        pages.entry(row.conversation_id).or_default().push(Arc::new(row));
    }
    Ok(pages.into_iter().map(|(id, rows)| (id, page.cut(rows))).collect())
}

/// "The first or last n rows of each group", which needs a lateral join that diesel has no words for. A query of its own
/// rather than `sql_query`, so that it is prepared once and its columns are checked by [`MessageRow`].
struct LatestOfEach {
    columns: AsSelect<MessageRow, Pg>,
    tenant: TenantId,
    conversations: Vec<ConversationId>,
    after: i64,
    before: i64,
    limit: i64,
    backwards: bool,
}

impl QueryFragment<Pg> for LatestOfEach {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT ");
        self.columns.walk_ast(out.reborrow())?;
        out.push_sql(" FROM unnest(");
        out.push_bind_param::<Array<BigInt>, _>(&self.conversations)?;
        out.push_sql(") AS wanted(id) CROSS JOIN LATERAL (SELECT * FROM messages WHERE tenant_id = ");
        out.push_bind_param::<BigInt, _>(&self.tenant)?;
        out.push_sql(" AND conversation_id = wanted.id AND id > ");
        out.push_bind_param::<BigInt, _>(&self.after)?;
        out.push_sql(" AND id < ");
        out.push_bind_param::<BigInt, _>(&self.before)?;
        out.push_sql(if self.backwards { " ORDER BY id DESC LIMIT " } else { " ORDER BY id ASC LIMIT " });
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        out.push_sql(") AS messages");
        Ok(())
    }
}

impl QueryId for LatestOfEach {
    type QueryId = ();
    // The two directions are two texts.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for LatestOfEach {
    type SqlType = SqlTypeOf<AsSelect<MessageRow, Pg>>;
}

/// How many messages each of several conversations has.
///
/// # Errors
/// Database faults.
pub async fn counts(tx: &mut Tx<Tenant>, conversations: &[ConversationId]) -> Outcome<HashMap<ConversationId, i64>> {
    let tenant = tx.tenant();
    let counts: Vec<(ConversationId, i64)> = messages::table
        .filter(messages::tenant_id.eq(tenant))
        .filter(messages::conversation_id.eq_any(conversations))
        .group_by(messages::conversation_id)
        .select((messages::conversation_id, diesel::dsl::count_star()))
        .load(tx.conn())
        .await?;
    Ok(counts.into_iter().collect())
}

/// Adds one.
///
/// # Errors
/// Database faults.
pub async fn insert(tx: &Tx<Tenant>, message: &NewMessage) -> Outcome<TurnRow> {
    Ok(diesel::insert_into(messages::table)
        .values(message)
        .returning(TurnRow::as_returning())
        .get_result(&mut tx.line())
        .await?)
}

/// Adds those whose sender's id is not there yet, in their order; how many those were.
///
/// # Errors
/// Database faults.
pub async fn insert_unless_there(tx: &mut Tx<Tenant>, new: &[NewMessage]) -> Outcome<usize> {
    Ok(diesel::insert_into(messages::table)
        .values(new)
        .on_conflict((messages::tenant_id, messages::conversation_id, messages::client_message_id))
        .do_nothing()
        .execute(tx.conn())
        .await?)
}
