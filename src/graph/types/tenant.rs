//! `Tenant`.

use async_graphql::{ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};
use secrecy::SecretString;

use crate::{
    context::View,
    db::tables::{
        provisioning::Provisioned,
        tenants::{TenantFilter as Filter, TenantRow},
    },
    domain::{
        onboarding::{self, Step},
        tenants::{ProfileEdit, TenantEdit, TenantForm},
    },
    graph::{
        connection::connection,
        plain::plain,
        scalars::{DateTime, PhoneNumber},
        types::{
            booking::BookingSettings,
            change, given,
            mailbox::EmailSettings,
            settings::{ModelSettings, RetrievalSettings, SmsSettings, VoiceSettings, secret},
        },
    },
    kernel::{
        failure::{Outcome, Refusal},
        ids::TenantId,
    },
};

/// A business that Frontdesk answers for: its people, prompts, leads and conversations are its own.
#[derive(Clone)]
pub struct Tenant {
    pub row: TenantRow,
    pub view: View,
}

impl Tenant {
    /// The tenant with this id, as far as it can be seen from here.
    pub async fn load(view: &View, id: TenantId) -> Outcome<Option<Self>> {
        let row = match view {
            View::Tenant(cx) => cx.loaders().own_tenant(()).await?.filter(|row| row.id == id),
            View::Platform(cx) => cx.loaders().tenant(id).await?,
        };
        Ok(row.map(|row| Self { row, view: view.clone() }))
    }

    async fn provisioned(&self) -> Outcome<Provisioned> {
        let found = match &self.view {
            View::Tenant(cx) => cx.loaders().provisioned(()).await?,
            View::Platform(cx) => cx.loaders().provisioned(self.row.id).await?,
        };
        Ok(found.unwrap_or_default())
    }
}

/// A business that Frontdesk answers for: its people, prompts, leads and conversations are its own.
#[Object]
impl Tenant {
    /// The global id, such as `tenant_1042`.
    pub async fn id(&self) -> ID {
        ID(self.row.id.global())
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
    /// How it is reached by text message.
    async fn sms(&self) -> Result<SmsSettings> {
        Ok(SmsSettings::new(&self.provisioned().await?, self.view.services()))
    }
    /// How it is reached by phone.
    async fn voice(&self) -> Result<VoiceSettings> {
        Ok(VoiceSettings::new(self.row.id, &self.provisioned().await?, self.view.services()))
    }
    /// How it is reached by mail.
    async fn email(&self) -> Result<EmailSettings> {
        Ok(EmailSettings::new(&self.provisioned().await?))
    }
    /// Where its assistant looks for passages to answer from.
    async fn retrieval(&self) -> Result<RetrievalSettings> {
        Ok(RetrievalSettings::new(&self.provisioned().await?))
    }
    /// Who writes its replies.
    async fn model(&self) -> Result<ModelSettings> {
        Ok(ModelSettings::new(&self.provisioned().await?))
    }
    /// When it meets its customers.
    async fn booking(&self) -> Result<BookingSettings> {
        let found = match &self.view {
            View::Tenant(cx) => cx.loaders().booking(()).await?,
            View::Platform(cx) => cx.loaders().booking(self.row.id).await?,
        };
        Ok(found.unwrap_or_default().into())
    }
    /// What there is to do until it is answered for everywhere, worked out from what is really there.
    async fn onboarding(&self) -> Result<Vec<OnboardingStep>> {
        let steps = onboarding::steps(&self.row, &self.provisioned().await?);
        Ok(steps.into_iter().map(OnboardingStep::from).collect())
    }
    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.row.created_at.into()
    }
    /// When it was last changed. What `sms`, `voice`, `email`, `retrieval`, `model` and `booking` hold does not count.
    async fn updated_at(&self) -> DateTime {
        self.row.updated_at.into()
    }
}

plain!(Tenant {
    "id" => id,
    "name" => name,
    "subdomain" => subdomain,
    "isActive" => is_active,
    "systemPrompt" => system_prompt,
    "monthlyTokenQuota" => monthly_token_quota,
    "createdAt" => created_at,
    "updatedAt" => updated_at,
});

connection!(TenantConnection, TenantEdge of Tenant, "A page of tenants.", "A tenant and its place in the list.");

/// A step of the provisioning checklist.
#[derive(SimpleObject)]
pub struct OnboardingStep {
    /// What programs know it by: `tenant`, `admin_user`, `prompt`, `profile`, `sms`, `voice` or `email`.
    key: &'static str,
    /// What people know it by.
    title: &'static str,
    /// Whether it is done.
    is_done: bool,
    /// What to do next, while it is not.
    hint: Option<&'static str>,
}

impl From<Step> for OnboardingStep {
    fn from(step: Step) -> Self {
        Self { key: step.key, title: step.title, is_done: step.is_done, hint: step.hint }
    }
}

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
    /// The unique slug: 1 to 63 letters, digits and inner dashes, at least one letter, and none of the names that the platform
    /// keeps for itself (`www`, `api`, `admin` …).
    subdomain: String,
    /// Whether its people may sign in.
    #[graphql(default_with = "Some(true)")]
    is_active: Option<bool>,
    /// What leads its composed prompt.
    system_prompt: Option<String>,
    /// Where its index at Pinecone is; more of it by `updateRetrievalSettings`.
    pinecone_environment: Option<String>,
    /// The key of its index at Pinecone.
    #[graphql(secret)]
    pinecone_api_key: Option<String>,
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
            pinecone_environment: input.pinecone_environment,
            pinecone_api_key: input.pinecone_api_key.map(SecretString::from),
        }
    }
}

/// Changes to a tenant. What is omitted stays; null clears where a field may be empty.
#[derive(InputObject)]
pub struct UpdateTenantInput {
    /// The display name.
    name: MaybeUndefined<String>,
    /// The unique slug, by the rules of `createTenant`.
    subdomain: MaybeUndefined<String>,
    /// Whether its people may sign in.
    is_active: MaybeUndefined<bool>,
    /// What leads its composed prompt; null clears it.
    system_prompt: MaybeUndefined<String>,
    /// Where its index at Pinecone is; null clears it.
    pinecone_environment: MaybeUndefined<String>,
    /// The key of its index at Pinecone; null forgets it.
    #[graphql(secret)]
    pinecone_api_key: MaybeUndefined<String>,
    /// Web origins that its chat widget may run on; replaces the list, and null empties it.
    allowed_origins: MaybeUndefined<Vec<String>>,
    /// Model tokens that it may use a month; null lifts the limit.
    monthly_token_quota: MaybeUndefined<i32>,
}

impl TryFrom<UpdateTenantInput> for TenantEdit {
    type Error = Refusal;
    fn try_from(input: UpdateTenantInput) -> Result<Self, Refusal> {
        Ok(Self {
            name: given("name", input.name)?,
            subdomain: given("subdomain", input.subdomain)?,
            is_active: given("isActive", input.is_active)?,
            system_prompt: change(input.system_prompt),
            allowed_origins: change(input.allowed_origins).map(Option::unwrap_or_default),
            monthly_token_quota: change(input.monthly_token_quota),
            pinecone_environment: change(input.pinecone_environment),
            pinecone_api_key: secret(input.pinecone_api_key),
        })
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
