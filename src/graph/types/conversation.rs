//! `Conversation`.

use std::sync::Arc;

use async_graphql::{ID, InputObject, MaybeUndefined, Object, Result};

use crate::{
    context::TenantCx,
    db::tables::conversations::{self, ConversationFilter as Filter, ConversationRow},
    domain::conversations::{ConversationEdit, ConversationForm},
    graph::{
        auth::{Access, auth},
        connection::connection,
        plain::{Swift, plain},
        scalars::DateTime,
        types::{
            call::Call,
            change, given,
            lead::Lead,
            message::{Message, MessageConnection},
            nullable, ordered_page, search,
        },
    },
    kernel::{
        failure::Refusal,
        ids,
        page::{List, Order, Position, Slice},
        vocabulary::{Channel, ConversationStatus},
    },
};

/// One thread with a customer on one channel.
#[derive(Clone)]
pub struct Conversation {
    pub row: ConversationRow,
    pub cx: TenantCx,
}

/// One thread with a customer on one channel.
#[Object]
impl Conversation {
    /// The global id, such as `conversation_5`.
    pub async fn id(&self) -> ID {
        ID(self.row.id.global())
    }
    /// Where it takes place.
    async fn channel(&self) -> Channel {
        self.row.channel
    }
    /// Who answers in it.
    async fn status(&self) -> ConversationStatus {
        self.row.status
    }
    /// Whom with, once that is known.
    #[graphql(directive = auth::apply(Access::User))]
    async fn lead(&self) -> Option<Result<Swift<Lead>>> {
        nullable(async || {
            let Some(id) = self.row.lead_id else { return Ok(None) };
            let row = self.cx.loaders().lead(id).await?;
            Ok(row.map(|row| Swift(Lead { row, cx: self.cx.clone() })))
        })
        .await
    }
    /// What it is about, in the tenant's own words.
    #[graphql(directive = auth::apply(Access::User))]
    async fn subject(&self) -> Option<&str> {
        self.row.subject.as_deref()
    }
    /// Its messages, oldest first. `last: 10` gives the ten newest, still oldest first.
    async fn messages(
        &self,
        #[graphql(desc = "At most this many from the oldest on; 20 if omitted, 100 at the most.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many up to the newest; 100 at the most.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> Result<MessageConnection> {
        let page = ordered_page(Order::oldest(List::Messages), first, after, last, before)?;
        let conversation = self.row.id;
        let slice = self.cx.loaders().messages((conversation, page.clone())).await?;
        let slice = slice.unwrap_or_else(|| page.cut(Vec::new()));
        let (cx, counting) = (self.cx.clone(), self.cx.clone());
        Ok(MessageConnection::new(
            slice,
            |row| Position::created(row.created_at, row.id.0),
            move |row| Message { row, cx: cx.clone() },
            move || {
                let cx = counting.clone();
                async move { cx.loaders().message_count(conversation).await }
            },
        ))
    }
    /// The call, where it takes place on the phone.
    #[graphql(directive = auth::apply(Access::User))]
    async fn call(&self) -> Option<Result<Call>> {
        nullable(async || {
            if self.row.channel != Channel::Voice {
                return Ok(None);
            }
            Ok(self.cx.loaders().call(self.row.id).await?.map(|row| Call { row }))
        })
        .await
    }
    /// When it began.
    async fn created_at(&self) -> DateTime {
        self.row.created_at.into()
    }
    /// When something last happened in it.
    async fn updated_at(&self) -> DateTime {
        self.row.updated_at.into()
    }
}

plain!(Conversation {
    "id" => id,
    "channel" => channel,
    "status" => status,
    "subject" => subject,
    "createdAt" => created_at,
    "updatedAt" => updated_at,
});

connection!(
    ConversationConnection, ConversationEdge of Conversation,
    "A page of conversations.", "A conversation and its place in the list."
);

impl ConversationConnection {
    /// A page of the conversations that `filter` lets through.
    pub fn of(slice: Slice<ConversationRow>, cx: &TenantCx, filter: Filter) -> Self {
        let (node_cx, counting, filter) = (cx.clone(), cx.clone(), Arc::new(filter));
        let by = slice.order.by;
        Self::new(
            slice,
            move |row| row.position(by),
            move |row| Conversation { row, cx: node_cx.clone() },
            move || {
                let (cx, filter) = (counting.clone(), filter.clone());
                async move { cx.read(async |tx| conversations::count(tx, &filter).await).await }
            },
        )
    }
}

/// A conversation to be opened.
#[derive(InputObject)]
pub struct StartConversationInput {
    /// Where it takes place. What is sent on `SMS` and `EMAIL` goes to the customer who wrote there first; here nobody did,
    /// so that `sendMessage` answers CONFLICT.
    #[graphql(default_with = "Channel::Web")]
    channel: Channel,
    /// Whom with.
    lead_id: Option<ID>,
    /// What it is about.
    subject: Option<String>,
}

impl TryFrom<StartConversationInput> for ConversationForm {
    type Error = Refusal;
    fn try_from(input: StartConversationInput) -> Result<Self, Refusal> {
        Ok(Self {
            channel: input.channel,
            lead: input.lead_id.map(|id| ids::parse(&id, "leadId")).transpose()?,
            subject: input.subject,
        })
    }
}

/// Changes to a conversation. What is omitted stays; null clears.
#[derive(InputObject)]
pub struct UpdateConversationInput {
    /// Who answers: hand it to a person, give it back to the assistant, or close it.
    status: MaybeUndefined<ConversationStatus>,
    /// Whom with; null unlinks the lead.
    lead_id: MaybeUndefined<ID>,
    /// What it is about; null clears it.
    subject: MaybeUndefined<String>,
}

impl TryFrom<UpdateConversationInput> for ConversationEdit {
    type Error = Refusal;
    fn try_from(input: UpdateConversationInput) -> Result<Self, Refusal> {
        let lead = change(input.lead_id).map(|id| id.map(|id| ids::parse(&id, "leadId")).transpose()).transpose()?;
        Ok(Self { status: given("status", input.status)?, lead, subject: change(input.subject) })
    }
}

/// Which conversations to list.
#[derive(InputObject, Default)]
pub struct ConversationFilter {
    /// Only those whose subject, or whose lead's name, address or number, contains this; 200 characters are looked at.
    search: Option<String>,
    /// Only those with one of these.
    #[graphql(validator(max_items = 10))]
    status: Option<Vec<ConversationStatus>>,
    /// Only those on one of these.
    #[graphql(validator(max_items = 10))]
    channel: Option<Vec<Channel>>,
    /// Only those with this lead.
    lead_id: Option<ID>,
    /// Only those begun after this.
    created_after: Option<DateTime>,
    /// Only those begun before this.
    created_before: Option<DateTime>,
}

impl TryFrom<ConversationFilter> for Filter {
    type Error = Refusal;
    fn try_from(filter: ConversationFilter) -> Result<Self, Refusal> {
        Ok(Self {
            lead: filter.lead_id.map(|id| ids::parse(&id, "leadId")).transpose()?,
            search: search(filter.search),
            status: filter.status,
            channel: filter.channel,
            created_after: filter.created_after.map(|at| at.0),
            created_before: filter.created_before.map(|at| at.0),
        })
    }
}
