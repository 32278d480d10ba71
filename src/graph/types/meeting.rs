//! `Meeting`.

use async_graphql::{ID, InputObject, Object, Result};

use crate::{
    context::TenantCx,
    db::tables::meetings::{MeetingFilter as Filter, MeetingRow},
    domain::meetings::MeetingForm,
    graph::{
        connection::connection,
        plain::plain,
        scalars::DateTime,
        types::{conversation::Conversation, lead::Lead, nullable},
    },
    kernel::{failure::Refusal, ids, vocabulary::MeetingStatus},
};

/// An appointment with a customer.
#[derive(Clone)]
pub struct Meeting {
    pub row: MeetingRow,
    pub cx: TenantCx,
}

/// An appointment with a customer.
#[Object]
impl Meeting {
    /// The global id, such as `meeting_12`.
    pub async fn id(&self) -> ID {
        ID(self.row.id.global())
    }
    /// When it begins.
    async fn starts_at(&self) -> DateTime {
        self.row.starts_at.into()
    }
    /// When it ends.
    async fn ends_at(&self) -> DateTime {
        self.row.ends_at.into()
    }
    /// Whether it takes place.
    async fn status(&self) -> MeetingStatus {
        self.row.status
    }
    /// What it is about.
    async fn title(&self) -> Option<&str> {
        self.row.title.as_deref()
    }
    /// Anything worth knowing.
    async fn notes(&self) -> Option<&str> {
        self.row.notes.as_deref()
    }
    /// Whom with.
    async fn lead(&self) -> Option<Result<Lead>> {
        nullable(async || {
            let Some(id) = self.row.lead_id else { return Ok(None) };
            let row = self.cx.loaders().lead(id).await?;
            Ok(row.map(|row| Lead { row, cx: self.cx.clone() }))
        })
        .await
    }
    /// Where it was agreed on.
    async fn conversation(&self) -> Option<Result<Conversation>> {
        nullable(async || {
            let Some(id) = self.row.conversation_id else { return Ok(None) };
            let row = self.cx.loaders().conversation(id).await?;
            Ok(row.map(|row| Conversation { row, cx: self.cx.clone() }))
        })
        .await
    }
    /// When it was booked.
    async fn created_at(&self) -> DateTime {
        self.row.created_at.into()
    }
    /// When it was last changed.
    async fn updated_at(&self) -> DateTime {
        self.row.updated_at.into()
    }
}

plain!(Meeting {
    "id" => id,
    "startsAt" => starts_at,
    "endsAt" => ends_at,
    "status" => status,
    "title" => title,
    "notes" => notes,
    "createdAt" => created_at,
    "updatedAt" => updated_at,
});

connection!(MeetingConnection, MeetingEdge of Meeting, "A page of meetings.", "A meeting and its place in the list.");

/// A meeting to be booked.
#[derive(InputObject)]
pub struct BookMeetingInput {
    /// When: the beginning of one of `availableSlots`.
    starts_at: DateTime,
    /// Whom with; the conversation's lead, if it is omitted.
    lead_id: Option<ID>,
    /// Where it was agreed on. The same time booked again from the same conversation is the same meeting.
    conversation_id: Option<ID>,
    /// What it is about, up to 200 characters.
    title: Option<String>,
    /// Anything worth knowing, up to 2,000 characters.
    notes: Option<String>,
}

impl TryFrom<BookMeetingInput> for MeetingForm {
    type Error = Refusal;
    fn try_from(input: BookMeetingInput) -> Result<Self, Refusal> {
        Ok(Self {
            starts_at: input.starts_at.0,
            lead: input.lead_id.map(|id| ids::parse(&id, "leadId")).transpose()?,
            conversation: input.conversation_id.map(|id| ids::parse(&id, "conversationId")).transpose()?,
            title: input.title,
            notes: input.notes,
        })
    }
}

/// Which meetings to list.
#[derive(InputObject, Default)]
pub struct MeetingFilter {
    /// Only those with one of these.
    #[graphql(validator(max_items = 10))]
    status: Option<Vec<MeetingStatus>>,
    /// Only this lead's.
    lead_id: Option<ID>,
    /// Only those that were agreed on here.
    conversation_id: Option<ID>,
    /// Only those that begin at this time or later.
    starts_from: Option<DateTime>,
    /// Only those that begin before this.
    starts_before: Option<DateTime>,
}

impl TryFrom<MeetingFilter> for Filter {
    type Error = Refusal;
    fn try_from(filter: MeetingFilter) -> Result<Self, Refusal> {
        Ok(Self {
            status: filter.status,
            lead: filter.lead_id.map(|id| ids::parse(&id, "leadId")).transpose()?,
            conversation: filter.conversation_id.map(|id| ids::parse(&id, "conversationId")).transpose()?,
            starts_from: filter.starts_from.map(|at| at.0),
            starts_before: filter.starts_before.map(|at| at.0),
        })
    }
}
