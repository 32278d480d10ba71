//! Signing in and out.

use async_graphql::{Context, ID, Object, Result};
use secrecy::SecretString;

use crate::{
    context::View,
    domain::{sessions, users},
    graph::{
        auth::{Access, auth},
        context,
        types::session::{AuthPayload, ChangePasswordInput, LoginInput, RefreshTokenInput},
    },
    kernel::{
        failure::Refusal,
        ids::{self, UserId},
    },
};

#[derive(Default)]
pub struct IdentityMutation;

#[Object]
impl IdentityMutation {
    /// Signs in by e-mail address and password. A person has 100 sessions at the most: one more ends the oldest.
    #[graphql(directive = auth::apply(Access::Public))]
    async fn login(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account.")] input: LoginInput,
    ) -> Result<AuthPayload> {
        let cx = context::public(ctx)?;
        let sign_in = sessions::login(cx, &input.email, SecretString::from(input.password)).await?;
        Ok(AuthPayload::new(sign_in, cx.services.tokens.lifetime()))
    }

    /// Spends a refresh token for a new pair of tokens. Spending one twice ends its session.
    #[graphql(directive = auth::apply(Access::Public))]
    async fn refresh_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token to spend.")] input: RefreshTokenInput,
    ) -> Result<AuthPayload> {
        let cx = context::public(ctx)?;
        let sign_in = sessions::refresh(cx, &input.refresh_token).await?;
        Ok(AuthPayload::new(sign_in, cx.services.tokens.lifetime()))
    }

    /// Ends this session: its access and refresh tokens are worth nothing from now on.
    #[graphql(directive = auth::apply(Access::User))]
    async fn logout(&self, ctx: &Context<'_>) -> Result<bool> {
        sessions::logout(context::public(ctx)?, context::own_token(ctx)?).await?;
        Ok(true)
    }

    /// Changes one's own password. One's other sessions end; this one goes on.
    #[graphql(directive = auth::apply(Access::User))]
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The old and the new password.")] input: ChangePasswordInput,
    ) -> Result<bool> {
        let (old, new) = (SecretString::from(input.current_password), SecretString::from(input.new_password));
        sessions::change_password(context::public(ctx)?, context::own_token(ctx)?, old, new).await?;
        Ok(true)
    }

    /// Ends sessions, and says how many: one's own but this one, or all of another person of the tenant, for its
    /// administrators.
    #[graphql(directive = auth::apply(Access::User))]
    async fn revoke_sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose, such as `user_7`; one's own if omitted.")] user_id: Option<ID>,
    ) -> Result<i32> {
        let token = context::token(ctx)?;
        let user: Option<UserId> = user_id.map(|id| ids::parse(&id, "userId")).transpose()?;
        let ended = match user.filter(|user| *user != token.user()) {
            None => sessions::revoke_others(context::public(ctx)?, context::own_token(ctx)?).await?,
            Some(user) => match context::administered_view(ctx)? {
                View::Tenant(cx) => users::sign_out(&cx, user).await?,
                View::Platform(cx) => users::sign_out_on_platform(&cx, user).await?,
            },
        };
        Ok(i32::try_from(ended).unwrap_or(i32::MAX))
    }

    /// Ends one of one's own sessions: a device that was lost, say.
    #[graphql(directive = auth::apply(Access::User))]
    async fn revoke_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, as `sessions` names it.")] id: ID,
    ) -> Result<bool> {
        let id = id.parse().map_err(|_| Refusal::not_found("session"))?;
        sessions::revoke(context::public(ctx)?, context::own_token(ctx)?, id).await?;
        Ok(true)
    }
}
