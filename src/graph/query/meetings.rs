//! Meetings, and the times that are free for one.

use async_graphql::{Context, ID, Object, Result};

use crate::{
    db::tables::meetings,
    domain,
    graph::{
        auth::{Access, auth},
        context,
        scalars::DateTime,
        types::{
            booking::AvailableSlot,
            meeting::{Meeting, MeetingConnection, MeetingFilter},
            nullable, ordered_page,
        },
    },
    kernel::{
        ids::{self, MeetingId},
        page::{List, Order, Position},
    },
};

#[derive(Default)]
pub struct MeetingQuery;

#[Object]
impl MeetingQuery {
    /// One meeting; null if there is none.
    #[graphql(directive = auth::apply(Access::User))]
    async fn meeting(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The global id, such as `meeting_12`.")] id: ID,
    ) -> Option<Result<Meeting>> {
        nullable(async || {
            let cx = context::tenant(ctx)?;
            let id: MeetingId = ids::parse(&id, "id")?;
            let row = cx.read(async |tx| meetings::find(tx, id).await).await?;
            Ok(row.map(|row| Meeting { row, cx: cx.clone() }))
        })
        .await
    }

    /// The tenant's meetings by when they begin, the earliest first.
    #[graphql(directive = auth::apply(Access::User))]
    async fn meetings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which of them.")] filter: Option<MeetingFilter>,
        #[graphql(desc = "At most this many; 20 if omitted, 100 at the most.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many from the back; 100 at the most.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> Result<MeetingConnection> {
        let cx = context::tenant(ctx)?.clone();
        let page = ordered_page(Order::oldest(List::Meetings), first, after, last, before)?;
        let filter: meetings::MeetingFilter = filter.unwrap_or_default().try_into()?;
        let slice = cx.read(async |tx| meetings::page(tx, &filter, &page).await).await?;
        let (counting, filter) = (cx.clone(), std::sync::Arc::new(filter));
        Ok(MeetingConnection::new(
            slice,
            |row| Position::created(row.starts_at, row.id.0),
            move |row| Meeting { row, cx: cx.clone() },
            move || {
                let (cx, filter) = (counting.clone(), filter.clone());
                async move { cx.read(async |tx| meetings::count(tx, &filter).await).await }
            },
        ))
    }

    /// The times that can be booked now, the earliest first; at most 500 are told at once.
    #[graphql(directive = auth::apply(Access::User))]
    async fn available_slots(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those that begin at this time or later.")] from: DateTime,
        #[graphql(desc = "Only those that begin before this; at most 31 days behind `from`.")] to: DateTime,
    ) -> Result<Vec<AvailableSlot>> {
        let slots = domain::meetings::available(context::tenant(ctx)?, from.0, to.0).await?;
        Ok(slots.into_iter().map(AvailableSlot::from).collect())
    }
}
