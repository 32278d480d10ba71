//! `MailDelivery`.

use async_graphql::SimpleObject;

use crate::{db::tables::mails::ReplyRow, graph::scalars::DateTime, kernel::vocabulary::MailStatus};

/// A mail that was sent to a customer, or is to be.
#[derive(SimpleObject)]
pub struct MailDelivery {
    /// To which address.
    to: String,
    /// How far it has come.
    status: MailStatus,
    /// Why it failed, or waits.
    failure: Option<String>,
    /// When it was put in line.
    created_at: DateTime,
    /// When something last became of it.
    updated_at: DateTime,
}

impl From<ReplyRow> for MailDelivery {
    fn from(row: ReplyRow) -> Self {
        Self {
            to: row.recipient,
            status: row.status,
            failure: row.failure,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        }
    }
}
