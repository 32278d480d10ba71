//! What providers delivered.

use async_graphql::{Context, ID, Object, Result};

use crate::{
    domain::deliveries,
    graph::{
        auth::{Access, auth},
        context,
        types::delivery::WebhookDelivery,
    },
    kernel::ids,
};

#[derive(Default)]
pub struct DeliveryMutation;

#[Object]
impl DeliveryMutation {
    /// Puts a delivery whose work failed, or was given up, in line again.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn retry_webhook_delivery(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, such as `delivery_9`.")] id: ID,
    ) -> Result<WebhookDelivery> {
        let row = deliveries::retry(context::administered(ctx)?, ids::parse(&id, "id")?).await?;
        Ok(WebhookDelivery { row })
    }
}
