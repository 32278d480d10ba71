//! Prompts.

use async_graphql::{Context, ID, Object, Result};

use crate::{
    db::tables::prompts as rows,
    domain::prompts,
    graph::{
        auth::{Access, auth},
        context,
        types::prompt::{ComposedPrompt, PromptBundle},
    },
    kernel::{
        ids::{self, BundleId},
        vocabulary::Channel,
    },
};

#[derive(Default)]
pub struct PromptQuery;

#[Object]
impl PromptQuery {
    /// One bundle: the tenant's own, or the global base's; null if there is none.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn prompt_bundle(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The global id, such as `prompt_3`.")] id: ID,
    ) -> Result<Option<PromptBundle>> {
        let cx = context::tenant(ctx)?;
        let id: BundleId = ids::parse(&id, "id")?;
        let row = cx.read(async |tx| rows::find(tx, id).await).await?;
        Ok(row.map(|row| PromptBundle { row, cx: cx.clone() }))
    }

    /// What the model is told: the global base and the tenant's sections merged, the tenant's winning.
    #[graphql(directive = auth::apply(Access::User))]
    async fn composed_prompt(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "As on this channel; omitted, with the sections of all channels.")] channel: Option<Channel>,
    ) -> Result<ComposedPrompt> {
        let cx = context::tenant(ctx)?;
        Ok(cx.read(async |tx| prompts::in_force(tx, channel).await).await?.into())
    }
}
