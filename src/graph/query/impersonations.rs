//! Who of the platform looked into a tenant.

use async_graphql::{Context, Object, Result};

use crate::{
    context::seen,
    db::tables::impersonations,
    graph::{
        auth::{Access, auth},
        context,
        types::{
            impersonation::{Impersonation, ImpersonationConnection},
            page,
        },
    },
    kernel::page::{List, Position},
};

#[derive(Default)]
pub struct ImpersonationQuery;

#[Object]
impl ImpersonationQuery {
    /// Who of the platform's administrators looked into the resolved tenant by a lease, and why, newest first; all of them
    /// for an administrator who names no tenant. Those who came by `X-Tenant-Id` stand in `auditLog`.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn impersonations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most this many; 20 if omitted, 100 at the most.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
    ) -> Result<ImpersonationConnection> {
        let view = context::administered_view(ctx)?;
        let page = page(List::Impersonations, first, after, None, None)?;
        let slice = seen!(&view, |tx| impersonations::page(tx, &page))?;
        let counting = view.clone();
        Ok(ImpersonationConnection::new(
            slice,
            |row| Position::created(row.started_at, row.id.0),
            move |row| Impersonation { row, view: view.clone(), access_token: None },
            move || {
                let view = counting.clone();
                async move { seen!(&view, |tx| impersonations::count(tx)) }
            },
        ))
    }
}
