//! People of the tenant.

use async_graphql::{Context, ID, Object, Result};

use crate::{
    domain::users,
    graph::{
        auth::{Access, auth},
        context,
        types::user::{CreateUserInput, Home, UpdateUserInput, User},
    },
    kernel::ids,
};

#[derive(Default)]
pub struct UserMutation;

#[Object]
impl UserMutation {
    /// Adds a person to the resolved tenant. A global administrator names the tenant in `X-Tenant-Id`.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn create_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person to be.")] input: CreateUserInput,
    ) -> Result<User> {
        let cx = context::tenant(ctx)?;
        let row = users::create(cx, input.into()).await?;
        Ok(User { row, home: Home::Own(cx.clone()) })
    }

    /// Changes a person of the tenant. A new password, and being switched off, sign them out everywhere.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn update_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom.")] id: ID,
        #[graphql(desc = "What to change.")] input: UpdateUserInput,
    ) -> Result<User> {
        let cx = context::tenant(ctx)?;
        let row = users::update(cx, ids::parse(&id, "id")?, input.into()).await?;
        Ok(User { row, home: Home::Own(cx.clone()) })
    }

    /// Switches a person off: they can't sign in, and what they have open ends.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn deactivate_user(&self, ctx: &Context<'_>, #[graphql(desc = "Whom.")] id: ID) -> Result<User> {
        let cx = context::tenant(ctx)?;
        let row = users::deactivate(cx, ids::parse(&id, "id")?).await?;
        Ok(User { row, home: Home::Own(cx.clone()) })
    }
}
