//! What was used.

use async_graphql::{Context, Object, Result};

use crate::{
    domain::usage,
    graph::{
        auth::{Access, auth},
        context,
        scalars::DateTime,
        types::usage::UsageReport,
    },
};

#[derive(Default)]
pub struct UsageQuery;

#[Object]
impl UsageQuery {
    /// What the tenant used in a time of at most 366 days, from the ledger.
    #[graphql(directive = auth::apply(Access::User))]
    async fn usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "From then on.")] from: DateTime,
        #[graphql(desc = "Up to then, that moment left out.")] to: DateTime,
    ) -> Result<UsageReport> {
        Ok(usage::report(context::tenant(ctx)?, from.0, to.0).await?.into())
    }
}
