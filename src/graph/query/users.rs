//! People of the tenant.

use async_graphql::{Context, ID, Object, Result};

use crate::{
    db::tables::users,
    graph::{
        auth::{Access, auth},
        context,
        types::{
            page,
            user::{Home, User, UserConnection, UserFilter},
        },
    },
    kernel::{
        ids::{self, UserId},
        page::Position,
    },
};

#[derive(Default)]
pub struct UserQuery;

#[Object]
impl UserQuery {
    /// One person of the tenant; null if there is none. Staff see themselves, administrators everybody.
    #[graphql(directive = auth::apply(Access::User))]
    async fn user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The global id, such as `user_7`.")] id: ID,
    ) -> Result<Option<User>> {
        let cx = context::tenant(ctx)?;
        let id: UserId = ids::parse(&id, "id")?;
        if !cx.scope().administers() && cx.scope().actor().user() != Some(id) {
            return Ok(None);
        }
        let row = cx.read(async |tx| users::find(tx, id).await).await?;
        Ok(row.map(|row| User { row, home: Home::Own(cx.clone()) }))
    }

    /// The people of the tenant, newest first.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which of them.")] filter: Option<UserFilter>,
        #[graphql(desc = "At most this many; 20 if omitted, 100 at the most.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many from the back; 100 at the most.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> Result<UserConnection> {
        let cx = context::tenant(ctx)?.clone();
        let page = page(first, after, last, before)?;
        let filter: users::UserFilter = filter.unwrap_or_default().into();
        let slice = cx.read(async |tx| users::page(tx, &filter, &page).await).await?;
        let (filter, counting) = (std::sync::Arc::new(filter), cx.clone());
        Ok(UserConnection::new(
            slice,
            |row| Position { at: row.created_at, id: row.id.0 },
            move |row| User { row, home: Home::Own(cx.clone()) },
            move || {
                let (cx, filter) = (counting.clone(), filter.clone());
                async move { cx.read(async |tx| users::count(tx, &filter).await).await }
            },
        ))
    }
}
