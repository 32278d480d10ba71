//! How much there is in line, over all tenants. Must not know whose jobs they are, nor what they are about.

use chrono::{DateTime, Utc};
use diesel::{
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Nullable, Timestamptz},
};
use diesel_async::RunQueryDsl;

use crate::{
    db::{
        schema::jobs,
        tx::{Tx, Worker},
    },
    kernel::{failure::Outcome, vocabulary::JobState},
};

/// What there is in line.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Backlog {
    /// Jobs of each kind that are due or on their way.
    pub waiting: Vec<(String, i64)>,
    /// Jobs of each kind that were given up.
    pub dead: Vec<(String, i64)>,
    /// Since when the one waits that is due longest. What stands behind another in its lane waits for that one, and is not looked at.
    pub oldest: Option<DateTime<Utc>>,
}

/// Counts what is in line.
///
/// # Errors
/// Database faults.
pub async fn count(tx: &mut Tx<Worker>, now: DateTime<Utc>) -> Outcome<Backlog> {
    let counts: Vec<(String, JobState, i64)> = jobs::table
        .group_by((jobs::kind, jobs::state))
        .select((jobs::kind, jobs::state, diesel::dsl::count_star()))
        .load(tx.conn())
        .await?;
    let oldest: Option<DateTime<Utc>> = Oldest { now }.get_result(tx.conn()).await?;
    let mut backlog = Backlog { oldest, ..Backlog::default() };
    for (kind, state, count) in counts {
        let side = if state == JobState::Dead { &mut backlog.dead } else { &mut backlog.waiting };
        match side.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, sum)) => *sum += count,
            None => side.push((kind, count)),
        }
    }
    Ok(backlog)
}

/// Of what is first in its lane, or in none. Said as "the first of each lane", for which each row is read once. Said as "none is before
/// it", as [`take`](crate::db::tables::jobs::take) does for few, it took 40 seconds for a lane of fifty thousand.
#[derive(QueryId)]
struct Oldest {
    now: DateTime<Utc>,
}

impl QueryFragment<Pg> for Oldest {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "SELECT min(head.run_at) FROM (SELECT run_at FROM jobs WHERE state <> 'DEAD' AND lane IS NULL UNION ALL \
             (SELECT DISTINCT ON (tenant_id, lane) run_at FROM jobs WHERE state <> 'DEAD' AND lane IS NOT NULL \
             ORDER BY tenant_id, lane, id)) AS head WHERE head.run_at <= ",
        );
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        Ok(())
    }
}

impl Query for Oldest {
    type SqlType = Nullable<Timestamptz>;
}
