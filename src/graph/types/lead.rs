//! `Lead`.

use async_graphql::{ID, InputObject, Object, Result};
use chrono::{DateTime, Utc};

use crate::{
    context::TenantCx,
    db::tables::{conversations, leads::LeadRow},
    domain::leads::LeadForm,
    graph::{
        connection::connection,
        scalars::PhoneNumber,
        types::{conversation::ConversationConnection, page},
    },
    kernel::vocabulary::{Channel, LeadStatus},
};

/// A person who might buy.
#[derive(Clone)]
pub struct Lead {
    pub row: LeadRow,
    pub cx: TenantCx,
}

/// A person who might buy.
#[Object]
impl Lead {
    /// The global id, such as `lead_81`.
    pub async fn id(&self) -> ID {
        ID(self.row.id.to_string())
    }
    /// What they are called.
    async fn name(&self) -> Option<&str> {
        self.row.name.as_deref()
    }
    /// Their address.
    async fn email(&self) -> Option<&str> {
        self.row.email.as_deref()
    }
    /// Their number.
    async fn phone(&self) -> Option<PhoneNumber> {
        self.row.phone.clone().map(PhoneNumber)
    }
    /// Where they came from.
    async fn source(&self) -> Channel {
        self.row.source
    }
    /// How far the business got with them.
    async fn status(&self) -> LeadStatus {
        self.row.status
    }
    /// Anything worth knowing.
    async fn notes(&self) -> Option<&str> {
        self.row.notes.as_deref()
    }
    /// Their conversations, newest first.
    async fn conversations(
        &self,
        #[graphql(desc = "At most this many; 20 if omitted, 100 at the most.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
    ) -> Result<ConversationConnection> {
        let page = page(first, after, None, None)?;
        let lead = Some(self.row.id);
        let slice = self.cx.read(async |tx| conversations::page(tx, lead, &page).await).await?;
        Ok(ConversationConnection::of(slice, &self.cx, lead))
    }
    /// When they were noted.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }
    /// When they were last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.row.updated_at
    }
}

connection!(LeadConnection, LeadEdge of Lead, "A page of leads.", "A lead and its place in the list.");

/// A lead to be noted. At least one of `name`, `email` and `phone` is needed.
#[derive(InputObject)]
pub struct CreateLeadInput {
    /// What they are called.
    name: Option<String>,
    /// Their address.
    email: Option<String>,
    /// Their number.
    phone: Option<PhoneNumber>,
    /// Where they came from.
    #[graphql(default_with = "Some(Channel::Web)")]
    source: Option<Channel>,
    /// Anything worth knowing.
    notes: Option<String>,
}

impl From<CreateLeadInput> for LeadForm {
    fn from(input: CreateLeadInput) -> Self {
        Self {
            name: input.name,
            email: input.email,
            phone: input.phone.map(|phone| phone.0),
            source: input.source,
            notes: input.notes,
        }
    }
}
