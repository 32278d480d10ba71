//! Tenants, by the platform's administrators, and their profiles by their own.

use async_graphql::{Context, ID, Object, Result};

use crate::{
    domain::tenants,
    graph::{
        auth::{Access, auth},
        context,
        types::tenant::{CreateTenantInput, Tenant, TenantProfileInput, UpdateTenantInput},
    },
    kernel::ids,
};

#[derive(Default)]
pub struct TenantMutation;

#[Object]
impl TenantMutation {
    /// Makes a tenant.
    #[graphql(directive = auth::apply(Access::Admin))]
    async fn create_tenant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The tenant to be.")] input: CreateTenantInput,
    ) -> Result<Tenant> {
        let row = tenants::create(context::admin(ctx)?, &input.into()).await?;
        Ok(Tenant { row })
    }

    /// Changes a tenant.
    #[graphql(directive = auth::apply(Access::Admin))]
    async fn update_tenant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] id: ID,
        #[graphql(desc = "What to change.")] input: UpdateTenantInput,
    ) -> Result<Tenant> {
        let row = tenants::update(context::admin(ctx)?, ids::parse(&id, "id")?, &input.into()).await?;
        Ok(Tenant { row })
    }

    /// Switches a tenant off: its people can't sign in, what they have open ends, its data stays. `updateTenant` with
    /// `isActive: true` switches it on again.
    #[graphql(directive = auth::apply(Access::Admin))]
    async fn deactivate_tenant(&self, ctx: &Context<'_>, #[graphql(desc = "Which.")] id: ID) -> Result<Tenant> {
        let row = tenants::deactivate(context::admin(ctx)?, ids::parse(&id, "id")?).await?;
        Ok(Tenant { row })
    }

    /// Changes what the resolved tenant says of itself.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn update_tenant_profile(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: TenantProfileInput,
    ) -> Result<Tenant> {
        let row = tenants::update_profile(context::tenant(ctx)?, input.into()).await?;
        Ok(Tenant { row })
    }
}
