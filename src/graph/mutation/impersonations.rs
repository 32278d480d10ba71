//! Looking into a tenant, for a reason and for a while.

use async_graphql::{Context, ID, Object, Result};

use crate::{
    context::View,
    domain::impersonations,
    graph::{
        auth::{Access, auth},
        context,
        types::impersonation::{ImpersonateTenantInput, Impersonation},
    },
    kernel::ids,
};

#[derive(Default)]
pub struct ImpersonationMutation;

#[Object]
impl ImpersonationMutation {
    /// Gives a lease to look into a tenant, and an access token that acts under it as one of the tenant's administrators,
    /// and as nothing else. It is read-only unless asked otherwise. The tenant's administrators read who looked, and why.
    #[graphql(directive = auth::apply(Access::Admin))]
    async fn impersonate_tenant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The lease to be.")] input: ImpersonateTenantInput,
    ) -> Result<Impersonation> {
        let cx = context::admin(ctx)?.renewed();
        let (row, token) = impersonations::start(&cx, context::own_token(ctx)?, &input.try_into()?).await?;
        Ok(Impersonation { row, view: View::Platform(cx), access_token: Some(token) })
    }

    /// Ends a lease: its token is worth nothing at once, and what is open under it ends.
    #[graphql(directive = auth::apply(Access::Admin))]
    async fn end_impersonation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, such as `impersonation_4`.")] id: ID,
    ) -> Result<Impersonation> {
        let cx = context::admin(ctx)?.renewed();
        let row = impersonations::end(&cx, ids::parse(&id, "id")?).await?;
        Ok(Impersonation { row, view: View::Platform(cx), access_token: None })
    }
}
