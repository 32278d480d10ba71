//! Prompts.

use async_graphql::{Context, Object, Result};

use crate::{
    domain::prompts,
    graph::{
        auth::{Access, auth},
        context,
        types::prompt::{PromptBundle, SetupPromptInput},
    },
};

#[derive(Default)]
pub struct PromptMutation;

#[Object]
impl PromptMutation {
    /// The quick way to a prompt of one's own: makes a bundle and puts it into production at once. What was there is
    /// archived.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn setup_prompt(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What the assistant is to know.")] input: SetupPromptInput,
    ) -> Result<PromptBundle> {
        let cx = context::tenant(ctx)?;
        let row = prompts::setup(cx, &input.into()).await?;
        Ok(PromptBundle { row, cx: cx.clone() })
    }
}
