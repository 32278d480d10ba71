//! Who am I, and any object by its id.

use async_graphql::{Context, ID, Object, Result};

use crate::{
    db::tables::users,
    graph::{
        auth::{Access, auth},
        context, node,
        types::user::{Home, User},
    },
    kernel::failure::{Failure, Refusal},
};

/// Most ids that `nodes` takes.
const NODES_MAX: usize = 100;

#[derive(Default)]
pub struct IdentityQuery;

#[Object]
impl IdentityQuery {
    /// The signed-in person.
    #[graphql(directive = auth::apply(Access::User))]
    async fn me(&self, ctx: &Context<'_>) -> Result<User> {
        let id = context::token(ctx)?.user();
        let public = context::public(ctx)?;
        let (row, tenant) = public
            .services
            .db
            .identify(async |tx| {
                let row = users::identified(tx, id).await?.ok_or_else(|| Failure::fault("a caller without a row"))?;
                let tenant = match row.tenant_id {
                    Some(tenant) => crate::db::tables::tenants::by_id(tx, tenant).await?,
                    None => None,
                };
                Ok((row, tenant))
            })
            .await?;
        Ok(User { row, home: Home::Known(tenant.map(Box::new)) })
    }

    /// Any object by its global id. Null for one that does not exist or is not yours.
    #[graphql(directive = auth::apply(Access::User))]
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "A global id, such as `lead_81`.")] id: ID,
    ) -> Result<Option<node::Node>> {
        Ok(node::find(ctx, &id).await?)
    }

    /// Several objects by their global ids, in the same order. Null where one does not exist or is not yours.
    #[graphql(directive = auth::apply(Access::User))]
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global ids, 100 at the most.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<node::Node>>> {
        if ids.len() > NODES_MAX {
            return Err(Refusal::input("ids", format!("At most {NODES_MAX} ids are allowed.")).into());
        }
        let mut nodes = Vec::with_capacity(ids.len());
        for id in &ids {
            nodes.push(node::find(ctx, id).await?);
        }
        Ok(nodes)
    }
}
