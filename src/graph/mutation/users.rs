//! People: of the resolved tenant, or of none for an administrator of the platform who names no tenant.

use async_graphql::{Context, ID, MaybeUndefined, Object, Result};

use crate::{
    context::View,
    domain::users::{self, UserEdit},
    graph::{
        auth::{Access, auth},
        context,
        types::{
            change,
            user::{CreateUserInput, UpdateUserInput, User},
        },
    },
    kernel::{
        failure::{Outcome, Refusal},
        ids::{self, UserId},
    },
};

#[derive(Default)]
pub struct UserMutation;

#[Object]
impl UserMutation {
    /// Adds a person to the resolved tenant. An administrator of the platform names the tenant in `X-Tenant-Id`; without it,
    /// the account belongs to no tenant: another administrator (role ADMIN), or somebody for `assignUserToTenant`.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn create_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The person to be.")] input: CreateUserInput,
    ) -> Result<User> {
        let view = context::fresh_view(ctx)?;
        let row = match &view {
            View::Tenant(cx) => users::create(cx, input.into()).await?,
            View::Platform(cx) => users::create_on_platform(cx, input.into()).await?,
        };
        Ok(User { row, view })
    }

    /// Changes a person. A new password, and being switched off, sign them out everywhere. An administrator of the platform
    /// who names no tenant changes accounts that belong to none.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn update_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom, such as `user_7`.")] id: ID,
        #[graphql(desc = "What to change.")] input: UpdateUserInput,
    ) -> Result<User> {
        Ok(changed(context::fresh_view(ctx)?, ids::parse(&id, "id")?, input.try_into()?).await?)
    }

    /// Switches a person off: they can't sign in, and what they have open ends.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn deactivate_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom, such as `user_7`.")] id: ID,
    ) -> Result<User> {
        let off = UserEdit { is_active: Some(false), ..UserEdit::default() };
        Ok(changed(context::fresh_view(ctx)?, ids::parse(&id, "id")?, off).await?)
    }

    /// Puts a person into a tenant, or into none. They keep their role. Their sessions end; they sign in again to act there.
    #[graphql(directive = auth::apply(Access::Admin))]
    async fn assign_user_to_tenant(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom, such as `user_7`.")] user_id: ID,
        #[graphql(desc = "Where to, such as `tenant_1042`; null for no tenant. It must be said.")]
        tenant_id: MaybeUndefined<ID>,
    ) -> Result<User> {
        let cx = context::admin(ctx)?.renewed();
        let Some(tenant) = change(tenant_id) else {
            return Err(Refusal::input("tenantId", "Say where to: a tenant's id, or null for no tenant.").into());
        };
        let tenant = tenant.map(|id| ids::parse(&id, "tenantId")).transpose()?;
        let row = users::assign(&cx, ids::parse(&user_id, "userId")?, tenant).await?;
        Ok(User { row, view: View::Platform(cx) })
    }
}

async fn changed(view: View, id: UserId, edit: UserEdit) -> Outcome<User> {
    let row = match &view {
        View::Tenant(cx) => users::update(cx, id, edit).await?,
        View::Platform(cx) => users::update_on_platform(cx, id, edit).await?,
    };
    Ok(User { row, view })
}
