//! Tenants.

use async_graphql::{Context, Object, Result};

use crate::{
    context::View,
    db::tables::tenants,
    graph::{
        auth::{Access, auth},
        context,
        types::{
            page,
            tenant::{Tenant, TenantConnection, TenantFilter},
        },
    },
    kernel::page::{List, Position},
};

#[derive(Default)]
pub struct TenantQuery;

#[Object]
impl TenantQuery {
    /// The resolved tenant: one's own, or the one that an administrator acts in.
    #[graphql(directive = auth::apply(Access::User))]
    async fn tenant(&self, ctx: &Context<'_>) -> Result<Tenant> {
        let cx = context::tenant(ctx)?;
        let row = cx.read(async |tx| tenants::own(tx).await).await?;
        Ok(Tenant { row, view: View::Tenant(cx.clone()) })
    }

    /// All tenants, newest first.
    #[graphql(directive = auth::apply(Access::Admin))]
    async fn tenants(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which of them.")] filter: Option<TenantFilter>,
        #[graphql(desc = "At most this many; 20 if omitted, 100 at the most.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many from the back; 100 at the most.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> Result<TenantConnection> {
        let cx = context::admin(ctx)?.clone();
        let page = page(List::Tenants, first, after, last, before)?;
        let filter: tenants::TenantFilter = filter.unwrap_or_default().into();
        let slice = cx.administer(async |tx| tenants::page(tx, &filter, &page).await).await?;
        let (view, filter) = (View::Platform(cx.clone()), std::sync::Arc::new(filter));
        Ok(TenantConnection::new(
            slice,
            |row| Position::created(row.created_at, row.id.0),
            move |row| Tenant { row, view: view.clone() },
            move || {
                let (cx, filter) = (cx.clone(), filter.clone());
                async move { cx.administer(async |tx| tenants::count(tx, &filter).await).await }
            },
        ))
    }
}
