//! `usage_entries`: the ledger, append only, one entry per reply.

use chrono::{DateTime, Utc};
use diesel::{
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Bool, Text, Timestamptz},
};
use diesel_async::RunQueryDsl;

use crate::{
    db::{
        kept::Keep,
        schema::usage_entries,
        tx::{Tenant, Tx},
    },
    kernel::{
        failure::Outcome,
        ids::{MessageId, TenantId, UserId},
    },
};

/// An entry to be.
#[derive(Insertable)]
#[diesel(table_name = usage_entries, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct NewUsage {
    pub tenant_id: TenantId,
    pub message_id: MessageId,
    pub user_id: Option<UserId>,
    pub model: String,
    pub prompt_tokens: i32,
    pub completion_tokens: i32,
    pub is_estimated: bool,
    pub created_at: DateTime<Utc>,
}

/// Enters what a reply used. One that is written anew, after it failed, adds to what its first try used.
///
/// # Errors
/// Database faults.
pub async fn settle(tx: &mut Tx<Tenant>, entry: &NewUsage) -> Outcome<()> {
    diesel::insert_into(usage_entries::table)
        .values(entry)
        .on_conflict((usage_entries::tenant_id, usage_entries::message_id))
        .do_update()
        .set((
            usage_entries::prompt_tokens.eq(usage_entries::prompt_tokens + entry.prompt_tokens),
            usage_entries::completion_tokens.eq(usage_entries::completion_tokens + entry.completion_tokens),
            usage_entries::is_estimated.eq(usage_entries::is_estimated.or(entry.is_estimated.into_sql::<Bool>())),
        ))
        .kept()
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// What one model used on one day.
#[derive(Debug, Clone, Queryable)]
pub struct UsageRow {
    /// The day by UTC, such as `2026-11-21`.
    pub day: String,
    /// The model.
    pub model: String,
    /// Tokens read.
    pub prompt_tokens: i64,
    /// Tokens written.
    pub completion_tokens: i64,
    /// Replies written.
    pub replies: i64,
}

/// What was used from `from` up to `to`, by day and model, in that order.
///
/// # Errors
/// Database faults.
pub async fn by_day_and_model(tx: &mut Tx<Tenant>, from: DateTime<Utc>, to: DateTime<Utc>) -> Outcome<Vec<UsageRow>> {
    Ok(Sums { tenant: tx.tenant(), from, to }.load(tx.conn()).await?)
}

/// Grouped by an expression, which diesel would write twice with two placeholders that PostgreSQL takes for two things.
#[derive(QueryId)]
struct Sums {
    tenant: TenantId,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

impl QueryFragment<Pg> for Sums {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), model, sum(prompt_tokens)::bigint, \
             sum(completion_tokens)::bigint, count(*) FROM usage_entries WHERE tenant_id = ",
        );
        out.push_bind_param::<BigInt, _>(&self.tenant)?;
        out.push_sql(" AND created_at >= ");
        out.push_bind_param::<Timestamptz, _>(&self.from)?;
        out.push_sql(" AND created_at < ");
        out.push_bind_param::<Timestamptz, _>(&self.to)?;
        out.push_sql(" GROUP BY 1, 2 ORDER BY 1, 2");
        Ok(())
    }
}

impl Query for Sums {
    type SqlType = (Text, Text, BigInt, BigInt, BigInt);
}
