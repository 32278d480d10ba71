//! Signing in and out.

use async_graphql::{Context, Object, Result};
use secrecy::SecretString;

use crate::{
    domain::sessions,
    graph::{
        auth::{Access, auth},
        context,
        types::session::{AuthPayload, LoginInput, RefreshTokenInput},
    },
};

#[derive(Default)]
pub struct IdentityMutation;

#[Object]
impl IdentityMutation {
    /// Signs in by e-mail address and password.
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
        sessions::logout(context::public(ctx)?, context::token(ctx)?).await?;
        Ok(true)
    }
}
