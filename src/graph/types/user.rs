//! `User`.

use async_graphql::{ID, InputObject, MaybeUndefined, Object, Result};
use chrono::{DateTime, Utc};
use secrecy::SecretString;

use crate::{
    context::TenantCx,
    db::tables::{
        tenants::TenantRow,
        users::{UserFilter as Filter, UserRow},
    },
    domain::users::{UserEdit, UserForm},
    graph::{
        connection::connection,
        types::{change, tenant::Tenant},
    },
    kernel::vocabulary::Role,
};

/// A person who signs in.
#[derive(Clone)]
pub struct User {
    pub row: UserRow,
    pub home: Home,
}

/// Where a user's tenant comes from.
#[derive(Clone)]
pub enum Home {
    /// It is known already.
    Known(Option<Box<TenantRow>>),
    /// The tenant in which the user was read.
    Own(TenantCx),
}

/// A person who signs in.
#[Object]
impl User {
    /// The global id, such as `user_7`.
    pub async fn id(&self) -> ID {
        ID(self.row.id.to_string())
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
    /// Their tenant; null for a global administrator.
    async fn tenant(&self) -> Result<Option<Tenant>> {
        let row = match &self.home {
            Home::Known(row) => row.as_deref().cloned(),
            Home::Own(_) if self.row.tenant_id.is_none() => None,
            Home::Own(cx) => cx.loaders().own_tenant(()).await?,
        };
        Ok(row.map(|row| Tenant { row }))
    }
    /// When the account was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }
    /// When they last signed in.
    async fn last_login_at(&self) -> Option<DateTime<Utc>> {
        self.row.last_login_at
    }
}

connection!(UserConnection, UserEdge of User, "A page of users.", "A user and their place in the list.");

/// A user to be made in the resolved tenant.
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
    email: Option<String>,
    /// What they are called; null clears it.
    name: MaybeUndefined<String>,
    /// What they may do.
    role: Option<Role>,
    /// Whether they may sign in; false signs them out everywhere.
    is_active: Option<bool>,
    /// A new password, at least 10 characters; signs them out everywhere.
    #[graphql(secret)]
    password: Option<String>,
}

impl From<UpdateUserInput> for UserEdit {
    fn from(input: UpdateUserInput) -> Self {
        Self {
            email: input.email,
            name: change(input.name),
            role: input.role,
            is_active: input.is_active,
            password: input.password.map(SecretString::from),
        }
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
