//! Leads.

use async_graphql::{Context, Object, Result};

use crate::{
    domain::leads,
    graph::{
        auth::{Access, auth},
        context,
        types::lead::{CreateLeadInput, Lead},
    },
};

#[derive(Default)]
pub struct LeadMutation;

#[Object]
impl LeadMutation {
    /// Notes a lead.
    #[graphql(directive = auth::apply(Access::User))]
    async fn create_lead(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person.")] input: CreateLeadInput,
    ) -> Result<Lead> {
        let cx = context::tenant(ctx)?;
        let row = leads::create(cx, &input.into()).await?;
        Ok(Lead { row, cx: cx.clone() })
    }
}
