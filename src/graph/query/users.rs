//! People of the tenant.

use async_graphql::{Context, ID, Object, Result};

use crate::{
    context::seen,
    db::tables::users,
    graph::{
        auth::{Access, auth},
        context,
        types::{
            nullable, page,
            user::{User, UserConnection, UserFilter},
        },
    },
    kernel::{
        ids::{self, UserId},
        page::{List, Position},
    },
};

#[derive(Default)]
pub struct UserQuery;

#[Object]
impl UserQuery {
    /// One person of the tenant; null if there is none. Staff see themselves, administrators everybody; an administrator of
    /// the platform who names no tenant sees any account.
    #[graphql(directive = auth::apply(Access::User))]
    async fn user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The global id, such as `user_7`.")] id: ID,
    ) -> Option<Result<User>> {
        nullable(async || {
            let view = context::view(ctx)?;
            let id: UserId = ids::parse(&id, "id")?;
            Ok(User::find(&view, id).await?)
        })
        .await
    }

    /// The people of the resolved tenant, newest first. An administrator of the platform who names none sees the accounts
    /// that belong to no tenant.
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
        let view = context::administered_view(ctx)?;
        let page = page(List::Users, first, after, last, before)?;
        let filter: std::sync::Arc<users::UserFilter> = std::sync::Arc::new(filter.unwrap_or_default().into());
        let slice = seen!(&view, |tx| users::page(tx, &filter, &page))?;
        let counting = view.clone();
        Ok(UserConnection::new(
            slice,
            |row| Position::created(row.created_at, row.id.0),
            move |row| User { row, view: view.clone() },
            move || {
                let (view, filter) = (counting.clone(), filter.clone());
                async move { seen!(&view, |tx| users::count(tx, &filter)) }
            },
        ))
    }
}
