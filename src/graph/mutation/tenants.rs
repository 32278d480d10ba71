//! Tenants, by the platform's administrators, and their profiles by their own.

use async_graphql::{Context, ID, Object, Result};

use crate::{
    context::View,
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
        let cx = context::admin(ctx)?.renewed();
        let row = tenants::create(&cx, input.into()).await?;
        Ok(Tenant { row, view: View::Platform(cx) })
    }

    /// Changes a tenant.
    #[graphql(directive = auth::apply(Access::Admin))]
    async fn update_tenant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, such as `tenant_1042`.")] id: ID,
        #[graphql(desc = "What to change.")] input: UpdateTenantInput,
    ) -> Result<Tenant> {
        let cx = context::admin(ctx)?.renewed();
        let row = tenants::update(&cx, ids::parse(&id, "id")?, input.try_into()?).await?;
        Ok(Tenant { row, view: View::Platform(cx) })
    }

    /// Switches a tenant off: its people can't sign in, what they have open ends, its data stays. `updateTenant` with
    /// `isActive: true` switches it on again.
    #[graphql(directive = auth::apply(Access::Admin))]
    async fn deactivate_tenant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, such as `tenant_1042`.")] id: ID,
    ) -> Result<Tenant> {
        let cx = context::admin(ctx)?.renewed();
        let row = tenants::deactivate(&cx, ids::parse(&id, "id")?).await?;
        Ok(Tenant { row, view: View::Platform(cx) })
    }

    /// Changes what the resolved tenant says of itself.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn update_tenant_profile(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: TenantProfileInput,
    ) -> Result<Tenant> {
        let cx = context::administered(ctx)?.renewed();
        let row = tenants::update_profile(&cx, input.into()).await?;
        Ok(Tenant { row, view: View::Tenant(cx) })
    }
}
