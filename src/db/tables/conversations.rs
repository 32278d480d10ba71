//! `conversations`.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{
    dsl::{AsSelect, SqlTypeOf, exists},
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Array, BigInt, Timestamptz},
};
use diesel_async::RunQueryDsl;

use crate::{
    db::{
        kept::Keep,
        schema::{conversations, leads},
        tables::{contains, differs, page_of},
        tx::{Tenant, Tx},
    },
    kernel::{
        failure::Outcome,
        ids::{ConversationId, LeadId, TenantId},
        page::{OrderBy, Page, Position, Slice, SortKey},
        vocabulary::{Channel, ConversationStatus, TextProvider},
    },
};

/// One thread on one channel.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = conversations)]
#[expect(missing_docs, reason = "the columns are described in the migration and in the graph")]
pub struct ConversationRow {
    pub id: ConversationId,
    pub channel: Channel,
    pub status: ConversationStatus,
    pub lead_id: Option<LeadId>,
    pub subject: Option<String>,
    /// Whom it is with, as the channel knows them: a phone number, for text messages.
    pub contact: Option<String>,
    pub text_provider: Option<TextProvider>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl ConversationRow {
    /// Its place in a list.
    #[must_use]
    pub fn position(&self, by: OrderBy) -> Position {
        let key = match by {
            OrderBy::UpdatedAt => SortKey::UpdatedAt(self.updated_at),
            OrderBy::CreatedAt | OrderBy::Name => SortKey::CreatedAt(self.created_at),
        };
        Position { key, id: self.id.0 }
    }
}

/// A thread to be.
#[derive(Insertable)]
#[diesel(table_name = conversations, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "as the row")]
pub struct NewConversation {
    pub tenant_id: TenantId,
    pub channel: Channel,
    pub status: ConversationStatus,
    pub lead_id: Option<LeadId>,
    pub subject: Option<String>,
    pub contact: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// One conversation.
///
/// # Errors
/// Database faults.
pub async fn find(tx: &mut Tx<Tenant>, id: ConversationId) -> Outcome<Option<ConversationRow>> {
    let tenant = tx.tenant();
    Ok(conversations::table
        .find(id)
        .filter(conversations::tenant_id.eq(tenant))
        .select(ConversationRow::as_select())
        .first(tx.conn())
        .await
        .optional()?)
}

/// Several conversations, for the loader.
///
/// # Errors
/// Database faults.
pub async fn find_many(tx: &mut Tx<Tenant>, ids: &[ConversationId]) -> Outcome<Vec<ConversationRow>> {
    let tenant = tx.tenant();
    Ok(conversations::table
        .filter(conversations::id.eq_any(ids))
        .filter(conversations::tenant_id.eq(tenant))
        .select(ConversationRow::as_select())
        .load(tx.conn())
        .await?)
}

/// One conversation, locked until the transaction ends: messages join it one after the other.
///
/// # Errors
/// Database faults.
pub async fn lock(tx: &mut Tx<Tenant>, id: ConversationId) -> Outcome<Option<ConversationRow>> {
    let tenant = tx.tenant();
    Ok(conversations::table
        .find(id)
        .filter(conversations::tenant_id.eq(tenant))
        .select(ConversationRow::as_select())
        .for_update()
        .first(tx.conn())
        .await
        .optional()?)
}

/// Which conversations to list.
#[derive(Debug, Default, Clone)]
pub struct ConversationFilter {
    /// Only those whose subject, or whose lead's name, address or number, contains this.
    pub search: Option<String>,
    /// Only those with this lead.
    pub lead: Option<LeadId>,
    /// Only those with one of these.
    pub status: Option<Vec<ConversationStatus>>,
    /// Only those on one of these.
    pub channel: Option<Vec<Channel>>,
    /// Only those begun after this.
    pub created_after: Option<DateTime<Utc>>,
    /// Only those begun before this.
    pub created_before: Option<DateTime<Utc>>,
}

fn filtered(tenant: TenantId, filter: &ConversationFilter) -> conversations::BoxedQuery<'static, diesel::pg::Pg> {
    let mut query = conversations::table.filter(conversations::tenant_id.eq(tenant)).into_boxed();
    if let Some(search) = &filter.search {
        let pattern = contains(search);
        let found = leads::table
            .filter(leads::tenant_id.eq(tenant))
            .filter(leads::id.nullable().eq(conversations::lead_id))
            .filter(
                leads::name
                    .ilike(pattern.clone())
                    .or(leads::email.ilike(pattern.clone()))
                    .or(leads::phone.ilike(pattern.clone())),
            )
            .select(leads::id);
        query = query.filter(conversations::subject.ilike(pattern).is_not_distinct_from(true).or(exists(found)));
    }
    if let Some(lead) = filter.lead {
        query = query.filter(conversations::lead_id.eq(lead));
    }
    if let Some(status) = filter.status.clone() {
        query = query.filter(conversations::status.eq_any(status));
    }
    if let Some(channel) = filter.channel.clone() {
        query = query.filter(conversations::channel.eq_any(channel));
    }
    if let Some(after) = filter.created_after {
        query = query.filter(conversations::created_at.gt(after));
    }
    if let Some(before) = filter.created_before {
        query = query.filter(conversations::created_at.lt(before));
    }
    query
}

/// A page of conversations, in the page's order.
///
/// # Errors
/// Database faults.
pub async fn page(tx: &mut Tx<Tenant>, filter: &ConversationFilter, page: &Page) -> Outcome<Slice<ConversationRow>> {
    let query = filtered(tx.tenant(), filter);
    let query = match page.order.by {
        OrderBy::UpdatedAt => page_of!(query, page, conversations::updated_at, conversations::id),
        // Conversations have no name to be sorted by.
        OrderBy::CreatedAt | OrderBy::Name => page_of!(query, page, conversations::created_at, conversations::id),
    };
    Ok(page.cut(query.select(ConversationRow::as_select()).load(tx.conn()).await?))
}

/// The same page of the conversations of several leads at once, newest first: one statement, whatever their number.
///
/// # Errors
/// Database faults.
pub async fn pages_by_lead(
    tx: &mut Tx<Tenant>,
    leads: &[LeadId],
    page: &Page,
) -> Outcome<HashMap<LeadId, Slice<ConversationRow>>> {
    let rows: Vec<ConversationRow> = NewestOfEach {
        columns: ConversationRow::as_select(),
        tenant: tx.tenant(),
        leads: leads.to_vec(),
        after: page.after.as_ref().map(|place| (place.at(), place.id)),
        limit: page.limit(),
    }
    .load(tx.conn())
    .await?;
    let mut pages: HashMap<LeadId, Vec<ConversationRow>> = leads.iter().map(|id| (*id, Vec::new())).collect();
    for row in rows {
        if let Some(lead) = row.lead_id {
            pages.entry(lead).or_default().push(row);
        }
    }
    Ok(pages.into_iter().map(|(id, rows)| (id, page.cut(rows))).collect())
}

/// "The newest n rows of each group", which diesel has no words for; as in `messages.rs`.
struct NewestOfEach {
    columns: AsSelect<ConversationRow, Pg>,
    tenant: TenantId,
    leads: Vec<LeadId>,
    after: Option<(DateTime<Utc>, i64)>,
    limit: i64,
}

impl QueryFragment<Pg> for NewestOfEach {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT ");
        self.columns.walk_ast(out.reborrow())?;
        out.push_sql(" FROM unnest(");
        out.push_bind_param::<Array<BigInt>, _>(&self.leads)?;
        out.push_sql(") AS wanted(id) CROSS JOIN LATERAL (SELECT * FROM conversations WHERE tenant_id = ");
        out.push_bind_param::<BigInt, _>(&self.tenant)?;
        out.push_sql(" AND lead_id = wanted.id");
        if let Some((at, id)) = &self.after {
            out.push_sql(" AND (created_at, id) < (");
            out.push_bind_param::<Timestamptz, _>(at)?;
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(id)?;
            out.push_sql(")");
        }
        out.push_sql(" ORDER BY created_at DESC, id DESC LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        out.push_sql(") AS conversations");
        Ok(())
    }
}

impl QueryId for NewestOfEach {
    type QueryId = ();
    // With and without a cursor are two texts.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for NewestOfEach {
    type SqlType = SqlTypeOf<AsSelect<ConversationRow, Pg>>;
}

/// How many conversations each of several leads has.
///
/// # Errors
/// Database faults.
pub async fn counts_by_lead(tx: &mut Tx<Tenant>, leads: &[LeadId]) -> Outcome<HashMap<LeadId, i64>> {
    let tenant = tx.tenant();
    let counts: Vec<(Option<LeadId>, i64)> = conversations::table
        .filter(conversations::tenant_id.eq(tenant))
        .filter(conversations::lead_id.eq_any(leads))
        .group_by(conversations::lead_id)
        .select((conversations::lead_id, diesel::dsl::count_star()))
        .load(tx.conn())
        .await?;
    Ok(counts.into_iter().filter_map(|(lead, count)| Some((lead?, count))).collect())
}

/// How many conversations there are.
///
/// # Errors
/// Database faults.
pub async fn count(tx: &mut Tx<Tenant>, filter: &ConversationFilter) -> Outcome<i64> {
    Ok(filtered(tx.tenant(), filter).count().get_result(tx.conn()).await?)
}

/// Opens one.
///
/// # Errors
/// Database faults.
pub async fn insert(tx: &mut Tx<Tenant>, conversation: &NewConversation) -> Outcome<ConversationRow> {
    Ok(diesel::insert_into(conversations::table)
        .values(conversation)
        .returning(ConversationRow::as_returning())
        .get_result(tx.conn())
        .await?)
}

/// Opens one for a contact, or gives the one that is open for it already: of many that try at once, all get the same.
/// Locked until the transaction ends. Also says whether it is new.
///
/// # Errors
/// Database faults.
pub async fn open_for_contact(tx: &mut Tx<Tenant>, conversation: &NewConversation) -> Outcome<(ConversationRow, bool)> {
    let opened = diesel::insert_into(conversations::table)
        .values(conversation)
        .on_conflict((conversations::tenant_id, conversations::channel, conversations::contact))
        .do_nothing()
        .execute(tx.conn())
        .await?;
    let tenant = tx.tenant();
    let row = conversations::table
        .filter(conversations::tenant_id.eq(tenant))
        .filter(conversations::channel.eq(conversation.channel))
        .filter(conversations::contact.eq(&conversation.contact))
        .select(ConversationRow::as_select())
        .for_update()
        .first(tx.conn())
        .await?;
    Ok((row, opened == 1))
}

/// Notes by whom its customer wrote last.
///
/// # Errors
/// Database faults.
pub async fn came_by(tx: &mut Tx<Tenant>, id: ConversationId, provider: TextProvider) -> Outcome<()> {
    let tenant = tx.tenant();
    diesel::update(conversations::table.find(id).filter(conversations::tenant_id.eq(tenant)))
        .set(conversations::text_provider.eq(provider))
        .kept()
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Notes that something happened in one.
///
/// # Errors
/// Database faults.
pub async fn touch(tx: &mut Tx<Tenant>, id: ConversationId, at: DateTime<Utc>) -> Outcome<()> {
    let tenant = tx.tenant();
    diesel::update(conversations::table.find(id).filter(conversations::tenant_id.eq(tenant)))
        .set(conversations::updated_at.eq(at))
        .kept()
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// What can change about one. The outer `None` leaves a column as it is, an inner one clears it.
#[derive(AsChangeset)]
#[diesel(table_name = conversations)]
#[expect(missing_docs, reason = "as the row")]
pub struct ConversationChanges {
    pub status: Option<ConversationStatus>,
    pub lead_id: Option<Option<LeadId>>,
    pub subject: Option<Option<String>>,
    pub updated_at: DateTime<Utc>,
}

impl ConversationChanges {
    /// Whether it changes anything of `row`. When it was changed counts for nothing.
    #[must_use]
    pub fn is_news(&self, row: &ConversationRow) -> bool {
        differs(self.status.as_ref(), &row.status)
            || differs(self.lead_id.as_ref(), &row.lead_id)
            || differs(self.subject.as_ref(), &row.subject)
    }
}

/// Changes one.
///
/// # Errors
/// Database faults.
pub async fn update(
    tx: &Tx<Tenant>,
    id: ConversationId,
    changes: &ConversationChanges,
) -> Outcome<Option<ConversationRow>> {
    let tenant = tx.tenant();
    Ok(diesel::update(conversations::table.find(id).filter(conversations::tenant_id.eq(tenant)))
        .set(changes)
        .returning(ConversationRow::as_returning())
        .kept()
        .get_result(&mut tx.line())
        .await
        .optional()?)
}
