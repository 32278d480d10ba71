//! The audit log.

use std::sync::Arc;

use async_graphql::{Context, Object, Result};

use crate::{
    context::seen,
    db::tables::audit,
    graph::{
        auth::{Access, auth},
        context,
        types::{
            audit::{AuditEntry, AuditEntryConnection, AuditFilter},
            page,
        },
    },
    kernel::page::{List, Position},
};

#[derive(Default)]
pub struct AuditQuery;

#[Object]
impl AuditQuery {
    /// What was done, newest first: in the resolved tenant, or everywhere for an administrator of the platform who names
    /// none.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which of it.")] filter: Option<AuditFilter>,
        #[graphql(desc = "At most this many; 20 if omitted, 100 at the most.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many from the back; 100 at the most.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> Result<AuditEntryConnection> {
        let view = context::administered_view(ctx)?;
        let page = page(List::AuditEntries, first, after, last, before)?;
        let filter = Arc::new(audit::AuditFilter::try_from(filter.unwrap_or_default())?);
        let slice = seen!(&view, |tx| audit::page(tx, &filter, &page))?;
        let counting = view.clone();
        Ok(AuditEntryConnection::new(
            slice,
            |row| Position::created(row.at, row.id.0),
            move |row| AuditEntry { row, view: view.clone() },
            move || {
                let (view, filter) = (counting.clone(), filter.clone());
                async move { seen!(&view, |tx| audit::count(tx, &filter)) }
            },
        ))
    }
}
