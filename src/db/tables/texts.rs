//! `texts`: text messages that we send, part by part, `opt_outs`: who asked for none, and `opt_ins`: who asked for
//! some again.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{prelude::*, query_dsl::methods};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::{
    db::{
        kept::Keep,
        schema::{opt_ins, opt_outs, texts},
        tx::{Tenant, Tx},
    },
    kernel::{
        failure::Outcome,
        ids::{ConversationId, MessageId, TenantId},
        vocabulary::{TextProvider, TextStatus},
    },
};

/// A text message of ours.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = texts, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are described in the migration and in the graph")]
pub struct TextRow {
    pub id: Uuid,
    pub tenant_id: TenantId,
    pub conversation_id: Option<ConversationId>,
    pub message_id: Option<MessageId>,
    pub part: i32,
    pub provider: TextProvider,
    pub sender: String,
    pub recipient: String,
    pub content: String,
    pub status: TextStatus,
    pub provider_id: Option<String>,
    pub failure: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// How far a text has come.
#[derive(Debug, AsChangeset)]
#[diesel(table_name = texts)]
#[expect(missing_docs, reason = "as the row")]
pub struct Progress {
    pub status: TextStatus,
    /// `None` leaves what is known.
    pub provider_id: Option<String>,
    pub failure: Option<Option<String>>,
    pub updated_at: DateTime<Utc>,
}

/// Keeps a text to be sent. `false` when that part of its message is there already.
///
/// # Errors
/// Database faults.
pub async fn insert(tx: &mut Tx<Tenant>, text: &TextRow) -> Outcome<bool> {
    let inserted = diesel::insert_into(texts::table).values(text).on_conflict_do_nothing().execute(tx.conn()).await?;
    Ok(inserted == 1)
}

/// A text, locked until the transaction ends.
///
/// # Errors
/// Database faults.
pub async fn lock(tx: &mut Tx<Tenant>, id: Uuid) -> Outcome<Option<TextRow>> {
    let tenant = tx.tenant();
    Ok(texts::table
        .find(id)
        .filter(texts::tenant_id.eq(tenant))
        .select(TextRow::as_select())
        .for_update()
        .first(tx.conn())
        .await
        .optional()?)
}

/// The text that a provider calls so, locked until the transaction ends.
///
/// # Errors
/// Database faults.
pub async fn lock_by_provider(tx: &mut Tx<Tenant>, provider: TextProvider, id: &str) -> Outcome<Option<TextRow>> {
    let tenant = tx.tenant();
    Ok(texts::table
        .filter(texts::tenant_id.eq(tenant))
        .filter(texts::provider.eq(provider))
        .filter(texts::provider_id.eq(id))
        .select(TextRow::as_select())
        .for_update()
        .first(tx.conn())
        .await
        .optional()?)
}

/// Notes how far a text has come.
///
/// # Errors
/// Database faults.
pub async fn progress(tx: &mut Tx<Tenant>, id: Uuid, progress: &Progress) -> Outcome<()> {
    let tenant = tx.tenant();
    diesel::update(texts::table.find(id).filter(texts::tenant_id.eq(tenant)))
        .set(progress)
        .kept()
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Gives up the parts of a message behind `part` that wait.
///
/// # Errors
/// Database faults.
pub async fn fail_queued(
    tx: &mut Tx<Tenant>,
    message: MessageId,
    part: i32,
    failure: &str,
    at: DateTime<Utc>,
) -> Outcome<()> {
    let tenant = tx.tenant();
    let waiting = texts::table
        .filter(texts::tenant_id.eq(tenant))
        .filter(texts::message_id.eq(message))
        .filter(texts::part.gt(part))
        .filter(texts::status.eq(TextStatus::Queued));
    diesel::update(waiting)
        .set((texts::status.eq(TextStatus::Failed), texts::failure.eq(failure), texts::updated_at.eq(at)))
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// The texts of several messages, part by part, for the loader.
///
/// # Errors
/// Database faults.
pub async fn of_messages(tx: &mut Tx<Tenant>, messages: &[MessageId]) -> Outcome<HashMap<MessageId, Vec<TextRow>>> {
    let tenant = tx.tenant();
    let rows: Vec<TextRow> = texts::table
        .filter(texts::tenant_id.eq(tenant))
        .filter(texts::message_id.eq_any(messages))
        .order((texts::message_id.asc(), texts::part.asc()))
        .select(TextRow::as_select())
        .load(tx.conn())
        .await?;
    let mut grouped: HashMap<MessageId, Vec<TextRow>> = HashMap::new();
    for row in rows {
        if let Some(message) = row.message_id {
            grouped.entry(message).or_default().push(row);
        }
    }
    Ok(grouped)
}

/// Whether somebody asked for no texts.
///
/// # Errors
/// Database faults.
pub async fn is_opted_out(tx: &mut Tx<Tenant>, phone: &str) -> Outcome<bool> {
    let tenant = tx.tenant();
    let found = diesel::select(diesel::dsl::exists(opt_outs::table.find((tenant, phone))));
    Ok(found.get_result(tx.conn()).await?)
}

/// Notes that somebody asked for no texts at `at`, unless they have asked for some since. Of who writes, the conversation is held,
/// so that their words are taken one after the other.
///
/// # Errors
/// Database faults.
pub async fn opt_out(tx: &mut Tx<Tenant>, phone: &str, at: DateTime<Utc>) -> Outcome<()> {
    let tenant = tx.tenant();
    let since = opt_ins::table.find((tenant, phone)).filter(opt_ins::said_at.gt(at));
    if diesel::select(diesel::dsl::exists(since)).get_result(tx.conn()).await? {
        return Ok(());
    }
    let noted = diesel::insert_into(opt_outs::table)
        .values((opt_outs::tenant_id.eq(tenant), opt_outs::phone.eq(phone), opt_outs::created_at.eq(at)))
        .on_conflict((opt_outs::tenant_id, opt_outs::phone))
        .do_update()
        .set(opt_outs::created_at.eq(at));
    methods::FilterDsl::filter(noted, opt_outs::created_at.lt(at)).execute(tx.conn()).await?;
    Ok(())
}

/// Notes that somebody asked for texts at `at`, and forgets that they asked for none before.
///
/// # Errors
/// Database faults.
pub async fn opt_in(tx: &mut Tx<Tenant>, phone: &str, at: DateTime<Utc>) -> Outcome<()> {
    let tenant = tx.tenant();
    let noted = diesel::insert_into(opt_ins::table)
        .values((opt_ins::tenant_id.eq(tenant), opt_ins::phone.eq(phone), opt_ins::said_at.eq(at)))
        .on_conflict((opt_ins::tenant_id, opt_ins::phone))
        .do_update()
        .set(opt_ins::said_at.eq(at));
    methods::FilterDsl::filter(noted, opt_ins::said_at.lt(at)).execute(tx.conn()).await?;
    let before = opt_outs::table.find((tenant, phone)).filter(opt_outs::created_at.le(at));
    diesel::delete(before).execute(tx.conn()).await?;
    Ok(())
}
