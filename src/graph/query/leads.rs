//! Leads.

use async_graphql::{Context, ID, Object, Result};

use crate::{
    db::tables::leads,
    graph::{
        auth::{Access, auth},
        context,
        plain::Swift,
        types::{
            lead::{Lead, LeadConnection, LeadFilter},
            nullable,
            order::LeadOrder,
            ordered_page,
        },
    },
    kernel::{
        ids::{self, LeadId},
        page::{List, Order},
    },
};

#[derive(Default)]
pub struct LeadQuery;

#[Object]
impl LeadQuery {
    /// One lead; null if there is none.
    #[graphql(directive = auth::apply(Access::User))]
    async fn lead(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The global id, such as `lead_81`.")] id: ID,
    ) -> Option<Result<Swift<Lead>>> {
        nullable(async || {
            let cx = context::tenant(ctx)?;
            let id: LeadId = ids::parse(&id, "id")?;
            let row = cx.read(async |tx| leads::find(tx, id).await).await?;
            Ok(row.map(|row| Swift(Lead { row, cx: cx.clone() })))
        })
        .await
    }

    /// The tenant's leads, newest first unless another order is asked for.
    #[graphql(directive = auth::apply(Access::User))]
    async fn leads(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which of them.")] filter: Option<LeadFilter>,
        #[graphql(desc = "In which order; newest first if omitted.")] order_by: Option<LeadOrder>,
        #[graphql(desc = "At most this many; 20 if omitted, 100 at the most.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many from the back; 100 at the most.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> Result<LeadConnection> {
        let cx = context::tenant(ctx)?.clone();
        let order = order_by.map_or(Order::newest(List::Leads), Into::into);
        let page = ordered_page(order, first, after, last, before)?;
        let filter: leads::LeadFilter = filter.unwrap_or_default().into();
        let slice = cx.read(async |tx| leads::page(tx, &filter, &page).await).await?;
        let (counting, filter) = (cx.clone(), std::sync::Arc::new(filter));
        Ok(LeadConnection::new(
            slice,
            move |row| row.position(order.by),
            move |row| Lead { row, cx: cx.clone() },
            move || {
                let (cx, filter) = (counting.clone(), filter.clone());
                async move { cx.read(async |tx| leads::count(tx, &filter).await).await }
            },
        ))
    }
}
