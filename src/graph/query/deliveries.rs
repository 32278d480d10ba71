//! What providers delivered.

use std::sync::Arc;

use async_graphql::{Context, Object, Result};

use crate::{
    context::seen,
    db::tables::deliveries,
    graph::{
        auth::{Access, auth},
        context,
        types::{
            delivery::{WebhookDelivery, WebhookDeliveryConnection, WebhookDeliveryFilter},
            page,
        },
    },
    kernel::page::{List, Position},
};

#[derive(Default)]
pub struct DeliveryQuery;

#[Object]
impl DeliveryQuery {
    /// Events that providers delivered for the resolved tenant, newest first. An administrator of the platform who names
    /// no tenant sees those that no tenant could be found for.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn webhook_deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which of them.")] filter: Option<WebhookDeliveryFilter>,
        #[graphql(desc = "At most this many; 20 if omitted, 100 at the most.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many from the back; 100 at the most.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> Result<WebhookDeliveryConnection> {
        let view = context::administered_view(ctx)?;
        let page = page(List::Deliveries, first, after, last, before)?;
        let filter: Arc<deliveries::DeliveryFilter> = Arc::new(filter.unwrap_or_default().into());
        let slice = seen!(&view, |tx| deliveries::page(tx, &filter, &page))?;
        Ok(WebhookDeliveryConnection::new(
            slice,
            |row| Position::created(row.received_at, row.id.0),
            |row| WebhookDelivery { row },
            move || {
                let (view, filter) = (view.clone(), filter.clone());
                async move { seen!(&view, |tx| deliveries::count(tx, &filter)) }
            },
        ))
    }
}
