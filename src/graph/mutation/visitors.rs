//! Website visitors.

use async_graphql::{Context, ID, Object, Result};

use crate::{
    domain::visitors,
    graph::{
        auth::{Access, auth},
        context,
        types::visitor::{StartVisitorSessionInput, VisitorSession},
    },
    kernel::ids,
};

#[derive(Default)]
pub struct VisitorMutation;

#[Object]
impl VisitorMutation {
    /// Opens a conversation for a visitor of a tenant's website, and gives a token that is good for it alone. A browser calls
    /// it from a page whose origin is among the tenant's `allowedOrigins`. Each address may open a few a minute.
    #[graphql(directive = auth::apply(Access::Public))]
    async fn start_visitor_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose website, and who visits.")] input: StartVisitorSessionInput,
    ) -> Result<VisitorSession> {
        Ok(visitors::start(context::public(ctx)?, input.into()).await?.into())
    }

    /// Lets a visitor's session go on, with a fresh token for the same conversation: when the page is loaded anew, and before
    /// the token expires. The token until now goes on to its own end.
    #[graphql(directive = auth::apply(Access::Visitor))]
    async fn renew_visitor_session(&self, ctx: &Context<'_>) -> Result<VisitorSession> {
        Ok(visitors::renew(context::tenant(ctx)?).await?.into())
    }

    /// Ends the sessions of visitors in a conversation, and says how many: their tokens are worth nothing from now on. A
    /// visitor may do so in their own.
    #[graphql(directive = auth::apply(Access::Visitor))]
    async fn revoke_visitor_sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The conversation, such as `conversation_5`.")] conversation_id: ID,
    ) -> Result<i32> {
        let ended = visitors::revoke(context::tenant(ctx)?, ids::parse(&conversation_id, "conversationId")?).await?;
        Ok(i32::try_from(ended).unwrap_or(i32::MAX))
    }
}
