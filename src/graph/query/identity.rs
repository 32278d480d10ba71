//! Who am I, and any object by its id.

use async_graphql::{Context, ID, Object, Result};
use futures_util::future::try_join_all;

use crate::{
    db::tables::users,
    domain::sessions,
    graph::{
        auth::{Access, auth},
        context, node,
        types::{nullable, session::Session, user::User},
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
        let row = public.services.db.identify(async |tx| users::identified(tx, id).await).await?;
        let row = row.ok_or_else(|| Failure::fault("a caller without a row"))?;
        Ok(User { row, view: context::own_view(ctx)? })
    }

    /// One's own sign-ins that still stand, the newest first, 100 at the most.
    #[graphql(directive = auth::apply(Access::User))]
    async fn sessions(&self, ctx: &Context<'_>) -> Result<Vec<Session>> {
        let token = context::own_token(ctx)?;
        let rows = sessions::list(context::public(ctx)?, token).await?;
        Ok(rows.into_iter().map(|row| Session::new(row, token.session())).collect())
    }

    /// Any object by its global id. Null for one that does not exist or is not yours; an error for what is no id.
    #[graphql(directive = auth::apply(Access::User))]
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "A global id, such as `lead_81`.")] id: ID,
    ) -> Option<Result<node::Node>> {
        nullable(async || Ok(node::find(&context::view(ctx)?, &id).await?)).await
    }

    /// Several objects by their global ids, in the same order. Null where one does not exist or is not
    /// yours; an error if one of them is no id.
    #[graphql(directive = auth::apply(Access::User))]
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global ids, 100 at the most.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<node::Node>>> {
        if ids.len() > NODES_MAX {
            return Err(Refusal::input("ids", format!("At most {NODES_MAX} ids are allowed.")).into());
        }
        let view = context::view(ctx)?;
        // Together, so that the loaders fetch all of a noun at once.
        Ok(try_join_all(ids.iter().map(|id| node::find(&view, id))).await?)
    }
}
