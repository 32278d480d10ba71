//! `User`.

use async_graphql::{ID, InputObject, MaybeUndefined, Object, Result};
use secrecy::SecretString;

use crate::{
    context::View,
    db::tables::users::{UserFilter as Filter, UserRow},
    domain::users::{UserEdit, UserForm},
    graph::{
        connection::connection,
        plain::plain,
        scalars::DateTime,
        types::{change, given, nullable, tenant::Tenant},
    },
    kernel::{
        failure::{Outcome, Refusal},
        ids::UserId,
        vocabulary::Role,
    },
};

/// A person who signs in.
#[derive(Clone)]
pub struct User {
    pub row: UserRow,
    pub view: View,
}

impl User {
    /// The account with this id, if the caller may ask for it: staff for themselves, administrators for everybody of the
    /// tenant, and from the platform for any.
    pub async fn find(view: &View, id: UserId) -> Outcome<Option<Self>> {
        let View::Tenant(cx) = view else { return Self::load(view, id).await };
        if !cx.scope().administers() && cx.scope().actor().user() != Some(id) {
            return Ok(None);
        }
        // The loader also knows people who looked in; they are not the tenant's.
        let own = Some(cx.scope().tenant());
        Ok(Self::load(view, id).await?.filter(|user| user.row.tenant_id == own))
    }

    /// The person with this id, as far as they can be seen from here.
    pub async fn load(view: &View, id: UserId) -> Outcome<Option<Self>> {
        let row = match view {
            View::Tenant(cx) => cx.loaders().user(id).await?,
            View::Platform(cx) => cx.loaders().user(id).await?,
        };
        Ok(row.map(|row| Self { row, view: view.clone() }))
    }
}

/// A person who signs in.
#[Object]
impl User {
    /// The global id, such as `user_7`.
    pub async fn id(&self) -> ID {
        ID(self.row.id.global())
    }
    /// The address they sign in with.
    async fn email(&self) -> &str {
        &self.row.email
    }
    /// What they are called.
    async fn name(&self) -> Option<&str> {
        self.row.name.as_deref()
    }
    /// What they may do.
    async fn role(&self) -> Role {
        self.row.role
    }
    /// Whether they may sign in.
    async fn is_active(&self) -> bool {
        self.row.is_active
    }
    /// Their tenant; null for a global administrator, and for somebody who was not assigned to one yet.
    async fn tenant(&self) -> Option<Result<Tenant>> {
        nullable(async || match self.row.tenant_id {
            Some(id) => Ok(Tenant::load(&self.view, id).await?),
            None => Ok(None),
        })
        .await
    }
    /// When the account was made.
    async fn created_at(&self) -> DateTime {
        self.row.created_at.into()
    }
    /// When they last signed in.
    async fn last_login_at(&self) -> Option<DateTime> {
        self.row.last_login_at.map(DateTime)
    }
}

plain!(User {
    "id" => id,
    "email" => email,
    "name" => name,
    "role" => role,
    "isActive" => is_active,
    "createdAt" => created_at,
    "lastLoginAt" => last_login_at,
});

connection!(UserConnection, UserEdge of User, "A page of users.", "A user and their place in the list.");

/// A user to be made, in the resolved tenant or in none.
#[derive(InputObject)]
pub struct CreateUserInput {
    /// The address they sign in with; one account per address, whatever its case.
    email: String,
    /// Their first password, at least 10 characters.
    #[graphql(secret)]
    password: String,
    /// What they are called.
    name: Option<String>,
    /// What they may do.
    #[graphql(default_with = "Role::User")]
    role: Role,
}

impl From<CreateUserInput> for UserForm {
    fn from(input: CreateUserInput) -> Self {
        Self { email: input.email, password: SecretString::from(input.password), name: input.name, role: input.role }
    }
}

/// Changes to a user. What is omitted stays; null clears where a field may be empty.
#[derive(InputObject)]
pub struct UpdateUserInput {
    /// The address they sign in with.
    email: MaybeUndefined<String>,
    /// What they are called; null clears it.
    name: MaybeUndefined<String>,
    /// What they may do; who gets another role signs in again.
    role: MaybeUndefined<Role>,
    /// Whether they may sign in; false signs them out everywhere.
    is_active: MaybeUndefined<bool>,
    /// A new password for somebody else, at least 10 characters; signs them out everywhere. One's own is changed by
    /// `changePassword`.
    #[graphql(secret)]
    password: MaybeUndefined<String>,
}

impl TryFrom<UpdateUserInput> for UserEdit {
    type Error = Refusal;
    fn try_from(input: UpdateUserInput) -> Result<Self, Refusal> {
        Ok(Self {
            email: given("email", input.email)?,
            name: change(input.name),
            role: given("role", input.role)?,
            is_active: given("isActive", input.is_active)?,
            password: given("password", input.password)?.map(SecretString::from),
        })
    }
}

/// Which users to list.
#[derive(InputObject, Default)]
pub struct UserFilter {
    /// Only those whose name or address contains this.
    search: Option<String>,
    /// Only those with this role.
    role: Option<Role>,
    /// Only active ones, or only deactivated ones.
    is_active: Option<bool>,
}

impl From<UserFilter> for Filter {
    fn from(filter: UserFilter) -> Self {
        Self { search: crate::graph::types::search(filter.search), role: filter.role, is_active: filter.is_active }
    }
}
