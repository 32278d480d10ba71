//! `TextMessage`.

use async_graphql::SimpleObject;

use crate::{
    db::tables::texts::TextRow,
    graph::scalars::DateTime,
    kernel::vocabulary::{TextProvider, TextStatus},
};

/// A text message that was sent to a customer, or is to be. A long message is several.
#[derive(SimpleObject)]
pub struct TextMessage {
    /// By whom it is carried.
    provider: TextProvider,
    /// To which number.
    to: String,
    /// What it says.
    content: String,
    /// How far it has come.
    status: TextStatus,
    /// Why it failed, or is tried again.
    failure: Option<String>,
    /// When it was last heard of.
    updated_at: DateTime,
}

impl From<TextRow> for TextMessage {
    fn from(row: TextRow) -> Self {
        Self {
            provider: row.provider,
            to: row.recipient,
            content: row.content,
            status: row.status,
            failure: row.failure,
            updated_at: row.updated_at.into(),
        }
    }
}
