//! `Tenant`.

use async_graphql::{ID, InputObject, MaybeUndefined, Object};
use chrono::{DateTime, Utc};

use crate::{
    db::tables::tenants::{TenantFilter as Filter, TenantRow},
    domain::tenants::{TenantEdit, TenantForm},
    graph::{connection::connection, types::change},
};

/// A business that Frontdesk answers for: its people, prompts, leads and conversations are its own.
#[derive(Clone)]
pub struct Tenant {
    pub row: TenantRow,
}

/// A business that Frontdesk answers for: its people, prompts, leads and conversations are its own.
#[Object]
impl Tenant {
    /// The global id, such as `tenant_1042`.
    pub async fn id(&self) -> ID {
        ID(self.row.id.to_string())
    }
    /// The display name.
    async fn name(&self) -> &str {
        &self.row.name
    }
    /// The unique slug.
    async fn subdomain(&self) -> &str {
        &self.row.subdomain
    }
    /// Whether its people may sign in and its customers are answered.
    async fn is_active(&self) -> bool {
        self.row.is_active
    }
    /// What leads its composed prompt.
    async fn system_prompt(&self) -> Option<&str> {
        self.row.system_prompt.as_deref()
    }
    /// Web origins that its chat widget may run on.
    async fn allowed_origins(&self) -> Vec<String> {
        serde_json::from_value(self.row.allowed_origins.clone()).unwrap_or_default()
    }
    /// Model tokens that it may use a month; null for no limit.
    async fn monthly_token_quota(&self) -> Option<i32> {
        self.row.monthly_token_quota
    }
    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }
    /// When it was last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.row.updated_at
    }
}

connection!(TenantConnection, TenantEdge of Tenant, "A page of tenants.", "A tenant and its place in the list.");

/// A tenant to be made.
#[derive(InputObject)]
pub struct CreateTenantInput {
    /// The display name, 1 to 200 characters.
    name: String,
    /// The unique slug: letters, digits and inner dashes.
    subdomain: String,
    /// Whether its people may sign in.
    #[graphql(default_with = "Some(true)")]
    is_active: Option<bool>,
    /// What leads its composed prompt.
    system_prompt: Option<String>,
    /// Web origins that its chat widget may run on, such as `https://www.example.com`.
    allowed_origins: Option<Vec<String>>,
    /// Model tokens that it may use a month; omit for no limit.
    monthly_token_quota: Option<i32>,
}

impl From<CreateTenantInput> for TenantForm {
    fn from(input: CreateTenantInput) -> Self {
        Self {
            name: input.name,
            subdomain: input.subdomain,
            is_active: input.is_active.unwrap_or(true),
            system_prompt: input.system_prompt,
            allowed_origins: input.allowed_origins.unwrap_or_default(),
            monthly_token_quota: input.monthly_token_quota,
        }
    }
}

/// Changes to a tenant. What is omitted stays; null clears where a field may be empty.
#[derive(InputObject)]
pub struct UpdateTenantInput {
    /// The display name.
    name: Option<String>,
    /// The unique slug.
    subdomain: Option<String>,
    /// Whether its people may sign in.
    is_active: Option<bool>,
    /// What leads its composed prompt; null clears it.
    system_prompt: MaybeUndefined<String>,
    /// Web origins that its chat widget may run on; replaces the list.
    allowed_origins: Option<Vec<String>>,
    /// Model tokens that it may use a month; null lifts the limit.
    monthly_token_quota: MaybeUndefined<i32>,
}

impl From<UpdateTenantInput> for TenantEdit {
    fn from(input: UpdateTenantInput) -> Self {
        Self {
            name: input.name,
            subdomain: input.subdomain,
            is_active: input.is_active,
            system_prompt: change(input.system_prompt),
            allowed_origins: input.allowed_origins,
            monthly_token_quota: change(input.monthly_token_quota),
        }
    }
}

/// Which tenants to list.
#[derive(InputObject, Default)]
pub struct TenantFilter {
    /// Only those whose name or subdomain contains this.
    search: Option<String>,
    /// Only active ones, or only deactivated ones.
    is_active: Option<bool>,
}

impl From<TenantFilter> for Filter {
    fn from(filter: TenantFilter) -> Self {
        Self { search: crate::graph::types::search(filter.search), is_active: filter.is_active }
    }
}
