//! What was used, added up from the ledger. Must not estimate: what is not in the ledger was not used.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    context::TenantCx,
    db::tables::usage::{self, UsageRow},
    kernel::failure::{Outcome, Refusal},
};

/// Longest time that is reported at once.
const DAYS_MAX: i64 = 366;

/// Tokens and replies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// Tokens read.
    pub prompt_tokens: i64,
    /// Tokens written.
    pub completion_tokens: i64,
    /// Replies written.
    pub replies: i64,
}

impl Sum {
    fn add(&mut self, row: &UsageRow) {
        self.prompt_tokens += row.prompt_tokens;
        self.completion_tokens += row.completion_tokens;
        self.replies += row.replies;
    }
}

/// What was used, in three sums over the same entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// All of it.
    pub total: Sum,
    /// By day of UTC, days without use left out.
    pub by_day: BTreeMap<String, Sum>,
    /// By model.
    pub by_model: BTreeMap<String, Sum>,
}

/// Reports what the tenant used from `from` up to `to`.
///
/// # Errors
/// `BAD_USER_INPUT` for an empty or too long time.
pub async fn report(cx: &TenantCx, from: DateTime<Utc>, to: DateTime<Utc>) -> Outcome<Report> {
    if to <= from {
        return Err(Refusal::input("to", "`to` must be after `from`.").into());
    }
    if to - from > TimeDelta::days(DAYS_MAX) {
        return Err(Refusal::input("to", format!("At most {DAYS_MAX} days are reported at once.")).into());
    }
    let mut report = Report::default();
    for row in cx.read(async |tx| usage::by_day_and_model(tx, from, to).await).await? {
        report.total.add(&row);
        report.by_day.entry(row.day.clone()).or_default().add(&row);
        report.by_model.entry(row.model.clone()).or_default().add(&row);
    }
    Ok(report)
}
