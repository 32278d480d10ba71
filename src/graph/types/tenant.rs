//! `Tenant`.

use async_graphql::{ID, InputObject, MaybeUndefined, Object, SimpleObject};
use chrono::{DateTime, Utc};

use crate::{
    db::tables::tenants::{TenantFilter as Filter, TenantRow},
    domain::tenants::{ProfileEdit, TenantEdit, TenantForm},
    graph::{connection::connection, scalars::PhoneNumber, types::change},
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
    /// What it says of itself.
    async fn profile(&self) -> TenantProfile {
        TenantProfile {
            business_name: self.row.business_name.clone(),
            website_url: self.row.website_url.clone(),
            phone_number: self.row.phone_number.clone().map(PhoneNumber),
            email: self.row.contact_email.clone(),
            time_zone: self.row.time_zone.clone(),
        }
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

/// What a tenant says of itself; its assistant tells customers how to reach a person by it.
#[derive(SimpleObject)]
pub struct TenantProfile {
    /// The name that customers know.
    business_name: Option<String>,
    /// The web address.
    website_url: Option<String>,
    /// The number to call.
    phone_number: Option<PhoneNumber>,
    /// The address to write to.
    email: Option<String>,
    /// A name of the time zone database, such as `America/New_York`.
    time_zone: Option<String>,
}

/// Changes to the profile. What is omitted stays; null clears.
#[derive(InputObject)]
pub struct TenantProfileInput {
    /// The name that customers know; null clears it.
    business_name: MaybeUndefined<String>,
    /// The web address; null clears it.
    website_url: MaybeUndefined<String>,
    /// The number to call; null clears it.
    phone_number: MaybeUndefined<PhoneNumber>,
    /// The address to write to; null clears it.
    email: MaybeUndefined<String>,
    /// A name of the time zone database, such as `America/New_York`; null clears it.
    time_zone: MaybeUndefined<String>,
}

impl From<TenantProfileInput> for ProfileEdit {
    fn from(input: TenantProfileInput) -> Self {
        Self {
            business_name: change(input.business_name),
            website_url: change(input.website_url),
            phone_number: change(input.phone_number).map(|phone| phone.map(|phone| phone.0)),
            email: change(input.email),
            time_zone: change(input.time_zone),
        }
    }
}

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
