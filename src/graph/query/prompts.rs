//! Prompts.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, Result};

use crate::{
    context::{View, seen},
    db::tables::prompts as rows,
    domain::prompts,
    graph::{
        auth::{Access, auth},
        context,
        types::{
            nullable, page,
            prompt::{ComposedPrompt, PromptBundle, PromptBundleConnection, PromptBundleFilter, PromptPreviewInput},
            tenant::Tenant,
        },
    },
    kernel::{
        ids::{self, TenantId},
        page::{List, Position},
        vocabulary::Channel,
    },
};

/// Most tenants that `basePromptImpact` gives at once.
const REACHED_MAX: usize = 100;

#[derive(Default)]
pub struct PromptQuery;

#[Object]
impl PromptQuery {
    /// One bundle: the tenant's own, or the global base's that is in production; null if there is none. An administrator of
    /// the platform who names no tenant sees the base's.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn prompt_bundle(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The global id, such as `prompt_3`.")] id: ID,
    ) -> Option<Result<PromptBundle>> {
        nullable(async || {
            let view = context::administered_view(ctx)?;
            Ok(PromptBundle::load(&view, ids::parse(&id, "id")?).await?)
        })
        .await
    }

    /// The tenant's bundles and the global base's that is in production, newest first. An administrator of the platform who
    /// names no tenant sees the base's.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn prompt_bundles(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which of them.")] filter: Option<PromptBundleFilter>,
        #[graphql(desc = "At most this many; 20 if omitted, 100 at the most.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many from the back; 100 at the most.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> Result<PromptBundleConnection> {
        let view = context::administered_view(ctx)?;
        let page = page(List::Prompts, first, after, last, before)?;
        let filter: Arc<rows::BundleFilter> = Arc::new(filter.unwrap_or_default().into());
        let slice = seen!(&view, |tx| rows::page(tx, &filter, &page))?;
        let counting = view.clone();
        Ok(PromptBundleConnection::new(
            slice,
            |row| Position::created(row.created_at, row.id.0),
            move |row| PromptBundle { row, view: view.clone() },
            move || {
                let (view, filter) = (counting.clone(), filter.clone());
                async move { seen!(&view, |tx| rows::count(tx, &filter)) }
            },
        ))
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

    /// What the model would be told if a bundle were in production: a tenant's over the base, or a base under the tenant's.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn prompt_preview(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which bundle, and for which channel.")] input: PromptPreviewInput,
    ) -> Result<ComposedPrompt> {
        let view = context::administered_view(ctx)?;
        let tenant = if let View::Tenant(cx) = &view { Some(cx) } else { None };
        let id = ids::parse(&input.bundle_id, "bundleId")?;
        Ok(prompts::preview(tenant, context::admin_if_any(ctx)?, id, input.channel).await?.into())
    }

    /// The tenants whose composed prompt would change if a bundle of the global base were published, by their numbers; 100
    /// at the most.
    #[graphql(directive = auth::apply(Access::Admin))]
    async fn base_prompt_impact(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The bundle of the base, such as `prompt_3`.")] bundle_id: ID,
        #[graphql(desc = "Only tenants behind this one, to go on where 100 were given.")] after: Option<ID>,
    ) -> Result<Vec<Tenant>> {
        let cx = context::admin(ctx)?;
        let id = ids::parse(&bundle_id, "bundleId")?;
        let after = after.map(|id| ids::parse(&id, "after")).transpose()?.unwrap_or(TenantId(0));
        let rows = prompts::impact(cx, id, after, REACHED_MAX).await?;
        Ok(rows.into_iter().map(|row| Tenant { row, view: View::Platform(cx.clone()) }).collect())
    }
}
