//! `UsageReport`.

use async_graphql::SimpleObject;

use crate::domain::usage::{Report, Sum};

/// What the tenant used in a time.
#[derive(SimpleObject)]
pub struct UsageReport {
    /// Tokens read by models.
    prompt_tokens: i32,
    /// Tokens written by models.
    completion_tokens: i32,
    /// Replies written by the assistant.
    messages: i32,
    /// The same by day; days without use are left out.
    by_day: Vec<UsageDay>,
    /// The same by model.
    by_model: Vec<UsageModel>,
}

/// What was used on one day.
#[derive(SimpleObject)]
pub struct UsageDay {
    /// The day by UTC, such as `2026-11-21`.
    day: String,
    /// Tokens read by models.
    prompt_tokens: i32,
    /// Tokens written by models.
    completion_tokens: i32,
    /// Replies written by the assistant.
    messages: i32,
}

/// What one model used.
#[derive(SimpleObject)]
pub struct UsageModel {
    /// The model.
    model: String,
    /// Tokens that it read.
    prompt_tokens: i32,
    /// Tokens that it wrote.
    completion_tokens: i32,
}

/// GraphQL's integers end at 2^31 - 1, and so does what is said here.
fn int(count: i64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

impl From<Report> for UsageReport {
    fn from(report: Report) -> Self {
        let day = |(day, sum): (String, Sum)| UsageDay {
            day,
            prompt_tokens: int(sum.prompt_tokens),
            completion_tokens: int(sum.completion_tokens),
            messages: int(sum.replies),
        };
        let model = |(model, sum): (String, Sum)| UsageModel {
            model,
            prompt_tokens: int(sum.prompt_tokens),
            completion_tokens: int(sum.completion_tokens),
        };
        Self {
            prompt_tokens: int(report.total.prompt_tokens),
            completion_tokens: int(report.total.completion_tokens),
            messages: int(report.total.replies),
            by_day: report.by_day.into_iter().map(day).collect(),
            by_model: report.by_model.into_iter().map(model).collect(),
        }
    }
}
