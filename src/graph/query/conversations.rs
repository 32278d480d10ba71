//! Conversations.

use async_graphql::{Context, ID, Object, Result};

use crate::{
    db::tables::conversations,
    graph::{
        auth::{Access, auth},
        context,
        types::{
            conversation::{Conversation, ConversationConnection, ConversationFilter},
            nullable,
            order::ConversationOrder,
            ordered_page,
        },
    },
    kernel::{
        ids::{self, ConversationId},
        page::{List, Order},
    },
};

#[derive(Default)]
pub struct ConversationQuery;

#[Object]
impl ConversationQuery {
    /// One conversation; null if there is none.
    #[graphql(directive = auth::apply(Access::Visitor))]
    async fn conversation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The global id, such as `conversation_5`.")] id: ID,
    ) -> Option<Result<Conversation>> {
        nullable(async || {
            let cx = context::tenant(ctx)?;
            let id: ConversationId = ids::parse(&id, "id")?;
            let row = cx.read(async |tx| conversations::find(tx, id).await).await?;
            let row = row.filter(|row| cx.scope().reaches(row.id));
            Ok(row.map(|row| Conversation { row, cx: cx.clone() }))
        })
        .await
    }

    /// The tenant's conversations, newest first unless another order is asked for.
    #[graphql(directive = auth::apply(Access::User))]
    async fn conversations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which of them.")] filter: Option<ConversationFilter>,
        #[graphql(desc = "In which order; newest first if omitted.")] order_by: Option<ConversationOrder>,
        #[graphql(desc = "At most this many; 20 if omitted, 100 at the most.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many from the back; 100 at the most.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> Result<ConversationConnection> {
        let cx = context::tenant(ctx)?;
        let order = order_by.map_or(Order::newest(List::Conversations), Into::into);
        let page = ordered_page(order, first, after, last, before)?;
        let filter = conversations::ConversationFilter::try_from(filter.unwrap_or_default())?;
        let slice = cx.read(async |tx| conversations::page(tx, &filter, &page).await).await?;
        Ok(ConversationConnection::of(slice, cx, filter))
    }
}
