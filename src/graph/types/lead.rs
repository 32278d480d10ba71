//! `Lead`.

use async_graphql::{ID, InputObject, MaybeUndefined, Object, Result};

use crate::{
    context::TenantCx,
    db::tables::leads::{LeadFilter as Filter, LeadRow},
    domain::leads::{LeadEdit, LeadForm},
    graph::{
        connection::connection,
        plain::plain,
        scalars::{DateTime, PhoneNumber},
        types::{
            change,
            conversation::{Conversation, ConversationConnection},
            given, page, search,
        },
    },
    kernel::{
        failure::Refusal,
        page::{List, OrderBy},
        vocabulary::{Channel, LeadStatus},
    },
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
        ID(self.row.id.global())
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
        let page = page(List::Conversations, first, after, None, None)?;
        let lead = self.row.id;
        let slice = self.cx.loaders().conversations((lead, page.clone())).await?;
        let (cx, counting) = (self.cx.clone(), self.cx.clone());
        Ok(ConversationConnection::new(
            slice.unwrap_or_else(|| page.cut(Vec::new())),
            |row| row.position(OrderBy::CreatedAt),
            move |row| Conversation { row, cx: cx.clone() },
            move || {
                let cx = counting.clone();
                async move { cx.loaders().conversation_count(lead).await }
            },
        ))
    }
    /// When they were noted.
    async fn created_at(&self) -> DateTime {
        self.row.created_at.into()
    }
    /// When they were last changed.
    async fn updated_at(&self) -> DateTime {
        self.row.updated_at.into()
    }
}

plain!(Lead {
    "id" => id,
    "name" => name,
    "email" => email,
    "phone" => phone,
    "source" => source,
    "status" => status,
    "notes" => notes,
    "createdAt" => created_at,
    "updatedAt" => updated_at,
});

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

/// Changes to a lead. What is omitted stays; null clears where a field may be empty.
#[derive(InputObject)]
pub struct UpdateLeadInput {
    /// What they are called; null clears it.
    name: MaybeUndefined<String>,
    /// Their address; null clears it.
    email: MaybeUndefined<String>,
    /// Their number; null clears it.
    phone: MaybeUndefined<PhoneNumber>,
    /// How far the business got with them.
    status: MaybeUndefined<LeadStatus>,
    /// Anything worth knowing; null clears it.
    notes: MaybeUndefined<String>,
}

impl TryFrom<UpdateLeadInput> for LeadEdit {
    type Error = Refusal;
    fn try_from(input: UpdateLeadInput) -> Result<Self, Refusal> {
        Ok(Self {
            name: change(input.name),
            email: change(input.email),
            phone: change(input.phone).map(|phone| phone.map(|phone| phone.0)),
            status: given("status", input.status)?,
            notes: change(input.notes),
        })
    }
}

/// Which leads to list.
#[derive(InputObject, Default)]
pub struct LeadFilter {
    /// Only those whose name, address, number or notes contain this.
    search: Option<String>,
    /// Only those with one of these.
    #[graphql(validator(max_items = 10))]
    status: Option<Vec<LeadStatus>>,
    /// Only those from one of these.
    #[graphql(validator(max_items = 10))]
    source: Option<Vec<Channel>>,
    /// Only those noted after this.
    created_after: Option<DateTime>,
    /// Only those noted before this.
    created_before: Option<DateTime>,
}

impl From<LeadFilter> for Filter {
    fn from(filter: LeadFilter) -> Self {
        Self {
            search: search(filter.search),
            status: filter.status,
            source: filter.source,
            created_after: filter.created_after.map(|at| at.0),
            created_before: filter.created_before.map(|at| at.0),
        }
    }
}
