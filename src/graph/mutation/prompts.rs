//! Prompts: a tenant's own, or the global base for an administrator of the platform who names no tenant.

use async_graphql::{Context, ID, Object, Result};

use crate::{
    context::View,
    domain::prompts,
    graph::{
        auth::{Access, auth},
        context,
        types::prompt::{PromptBundle, PromptBundleInput, SetupPromptInput},
    },
    kernel::ids,
};

#[derive(Default)]
pub struct PromptMutation;

#[Object]
impl PromptMutation {
    /// The quick way to a tenant's own prompt: makes a bundle and puts it into production at once. What was there is
    /// archived. The global base is edited by `createPromptBundle` and published apart.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn setup_prompt(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What the assistant is to know.")] input: SetupPromptInput,
    ) -> Result<PromptBundle> {
        let view = View::Tenant(context::administered(ctx)?.renewed());
        let row = prompts::setup(&view, &input.into()).await?;
        Ok(PromptBundle { row, view })
    }

    /// Makes a draft: the tenant's, or the global base's for an administrator of the platform who names no tenant.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn create_prompt_bundle(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The bundle.")] input: PromptBundleInput,
    ) -> Result<PromptBundle> {
        let view = context::fresh_view(ctx)?;
        let row = prompts::create(&view, input.into()).await?;
        Ok(PromptBundle { row, view })
    }

    /// Writes a draft anew. A version that was published is never changed: what you send becomes a new draft, and the answer
    /// holds that.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn update_prompt_bundle(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, such as `prompt_3`.")] id: ID,
        #[graphql(desc = "The bundle, whole.")] input: PromptBundleInput,
    ) -> Result<PromptBundle> {
        let view = context::fresh_view(ctx)?;
        let row = prompts::update(&view, ids::parse(&id, "id")?, input.into()).await?;
        Ok(PromptBundle { row, view })
    }

    /// Puts a draft into production, or an archived version again. What was in production is archived. Of two at the same
    /// moment one wins, and the other is told CONFLICT.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn publish_prompt_bundle(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, such as `prompt_3`.")] id: ID,
    ) -> Result<PromptBundle> {
        let view = context::fresh_view(ctx)?;
        let row = prompts::publish(&view, ids::parse(&id, "id")?).await?;
        Ok(PromptBundle { row, view })
    }

    /// Puts a bundle away. A tenant without one in production is answered for by the global base alone; the base in
    /// production itself can't be put away.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn archive_prompt_bundle(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, such as `prompt_3`.")] id: ID,
    ) -> Result<PromptBundle> {
        let view = context::fresh_view(ctx)?;
        let row = prompts::archive(&view, ids::parse(&id, "id")?).await?;
        Ok(PromptBundle { row, view })
    }
}
