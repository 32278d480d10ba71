//! Leads.

use async_graphql::{Context, ID, Object, Result};

use crate::{
    domain::leads,
    graph::{
        auth::{Access, auth},
        context,
        plain::Swift,
        types::lead::{CreateLeadInput, Lead, UpdateLeadInput},
    },
    kernel::ids,
};

#[derive(Default)]
pub struct LeadMutation;

#[Object]
impl LeadMutation {
    /// Notes a lead. A person whom the tenant knows already, by number or address, is the same lead: its id comes back, what
    /// was not known is added, name and source stay, and what is different goes among the notes.
    #[graphql(directive = auth::apply(Access::User))]
    async fn create_lead(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person.")] input: CreateLeadInput,
    ) -> Result<Swift<Lead>> {
        let cx = &context::tenant(ctx)?.renewed();
        let row = leads::create(cx, &input.into()).await?;
        Ok(Swift(Lead { row, cx: cx.clone() }))
    }

    /// Changes a lead.
    #[graphql(directive = auth::apply(Access::User))]
    async fn update_lead(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, such as `lead_81`.")] id: ID,
        #[graphql(desc = "What to change.")] input: UpdateLeadInput,
    ) -> Result<Lead> {
        let cx = &context::tenant(ctx)?.renewed();
        let row = leads::update(cx, ids::parse(&id, "id")?, &input.try_into()?).await?;
        Ok(Lead { row, cx: cx.clone() })
    }

    /// Removes a lead, and gives its id. Its conversations are kept, and no longer linked to a lead.
    #[graphql(directive = auth::apply(Access::User))]
    async fn delete_lead(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, such as `lead_81`.")] id: ID,
    ) -> Result<ID> {
        let cx = &context::tenant(ctx)?.renewed();
        leads::delete(cx, ids::parse(&id, "id")?).await?;
        Ok(id)
    }
}
