//! Meetings, and when there can be any.

use async_graphql::{Context, ID, Object, Result};

use crate::{
    domain::{booking, meetings},
    graph::{
        auth::{Access, auth},
        context,
        types::{
            booking::{BookingSettings, BookingSettingsInput},
            meeting::{BookMeetingInput, Meeting},
        },
    },
    kernel::ids,
};

#[derive(Default)]
pub struct MeetingMutation;

#[Object]
impl MeetingMutation {
    /// Changes when the tenant meets its customers.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn update_booking_settings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: BookingSettingsInput,
    ) -> Result<BookingSettings> {
        Ok(booking::update(context::administered(ctx)?, &input.try_into()?).await?.into())
    }

    /// Books a free time. Of many who try at once for the same, one gets it; the others are told CONFLICT.
    #[graphql(directive = auth::apply(Access::User))]
    async fn book_meeting(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "When, and whom with.")] input: BookMeetingInput,
    ) -> Result<Meeting> {
        let cx = &context::tenant(ctx)?.renewed();
        let row = meetings::book(cx, &input.try_into()?).await?;
        Ok(Meeting { row, cx: cx.clone() })
    }

    /// Calls a meeting off; its time is free again. Calling off twice changes nothing more.
    #[graphql(directive = auth::apply(Access::User))]
    async fn cancel_meeting(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, such as `meeting_12`.")] id: ID,
    ) -> Result<Meeting> {
        let cx = &context::tenant(ctx)?.renewed();
        let row = meetings::cancel(cx, ids::parse(&id, "id")?).await?;
        Ok(Meeting { row, cx: cx.clone() })
    }
}
