//! Businesses: made, changed and switched off by administrators.

use secrecy::SecretString;

use crate::{
    context::{AdminCx, TenantCx, audit},
    db::{
        tables::{
            settings::{RetrievalChanges, set_up_retrieval},
            tenants::{self, NewTenant, ProfileChanges, TenantChanges, TenantRow},
        },
        tx::{Admin, Tx},
    },
    domain::settings::{self, Edit, SecretEdit},
    kernel::{
        email,
        failure::{Outcome, Refusal},
        ids::TenantId,
        origin, phone, slug, text, web, zone,
    },
};

/// Longest system prompt, in characters.
const PROMPT_MAX: usize = 20_000;
/// Most origins a tenant may allow.
const ORIGINS_MAX: usize = 50;

/// A business to be.
pub struct TenantForm {
    /// Its display name.
    pub name: String,
    /// Its slug.
    pub subdomain: String,
    /// Whether its people may sign in.
    pub is_active: bool,
    /// What leads its composed prompt.
    pub system_prompt: Option<String>,
    /// Web origins that its chat widget may run on.
    pub allowed_origins: Vec<String>,
    /// Tokens a month; `None` for no limit.
    pub monthly_token_quota: Option<i32>,
    /// Where its index at Pinecone is.
    pub pinecone_environment: Option<String>,
    /// The key of its index at Pinecone.
    pub pinecone_api_key: Option<SecretString>,
}

/// Makes a tenant.
///
/// # Errors
/// `BAD_USER_INPUT` naming the argument; `CONFLICT` on a taken subdomain.
pub async fn create(cx: &AdminCx, form: TenantForm) -> Outcome<TenantRow> {
    let now = cx.now();
    let tenant = NewTenant {
        subdomain: slug::normalise(&form.subdomain)?,
        name: text::required("name", &form.name, 200)?,
        is_active: form.is_active,
        system_prompt: text::optional("systemPrompt", form.system_prompt.as_deref(), PROMPT_MAX)?,
        allowed_origins: origins(&form.allowed_origins)?,
        monthly_token_quota: quota(form.monthly_token_quota)?,
        created_at: now,
        updated_at: now,
    };
    let row = cx
        .administer(async |tx| {
            let row = tenants::insert(tx, &tenant).await?;
            set_up_index(cx, tx, row.id, form.pinecone_environment.map(Some), form.pinecone_api_key.map(Some)).await?;
            cx.audit(tx, "tenant.create", row.id, Some(row.id));
            Ok(row)
        })
        .await?;
    cx.services().origins.forget();
    Ok(row)
}

/// Changes to a tenant. An outer `None` leaves as it is, an inner one clears.
#[derive(Default)]
#[expect(missing_docs, reason = "as the form")]
pub struct TenantEdit {
    pub name: Option<String>,
    pub subdomain: Option<String>,
    pub is_active: Option<bool>,
    pub system_prompt: Option<Option<String>>,
    pub allowed_origins: Option<Vec<String>>,
    pub monthly_token_quota: Option<Option<i32>>,
    pub pinecone_environment: Edit,
    pub pinecone_api_key: SecretEdit,
}

/// Changes a tenant.
///
/// # Errors
/// As [`create`], and `NOT_FOUND`.
pub async fn update(cx: &AdminCx, id: TenantId, edit: TenantEdit) -> Outcome<TenantRow> {
    let changes = TenantChanges {
        subdomain: edit.subdomain.as_deref().map(slug::normalise).transpose()?,
        name: edit.name.as_deref().map(|name| text::required("name", name, 200)).transpose()?,
        is_active: edit.is_active,
        system_prompt: edit
            .system_prompt
            .as_ref()
            .map(|prompt| text::optional("systemPrompt", prompt.as_deref(), PROMPT_MAX))
            .transpose()?,
        allowed_origins: edit.allowed_origins.as_deref().map(origins).transpose()?,
        monthly_token_quota: edit.monthly_token_quota.map(quota).transpose()?,
        updated_at: cx.now(),
    };
    let detail = audit::said(&[
        ("name", changes.name.is_some()),
        ("subdomain", changes.subdomain.is_some()),
        ("isActive", changes.is_active.is_some()),
        ("systemPrompt", changes.system_prompt.is_some()),
        ("allowedOrigins", changes.allowed_origins.is_some()),
        ("monthlyTokenQuota", changes.monthly_token_quota.is_some()),
        ("pineconeEnvironment", edit.pinecone_environment.is_some()),
        ("pineconeApiKey", edit.pinecone_api_key.is_some()),
    ]);
    let row = cx
        .administer(async |tx| {
            let mut row = tenants::find(tx, id).await?.ok_or_else(missing)?;
            let is_news = changes.is_news(&row);
            let sets_up = edit.pinecone_environment.is_some() || edit.pinecone_api_key.is_some();
            if is_news {
                row = tenants::update(tx, id, &changes).await?.ok_or_else(missing)?;
            }
            set_up_index(cx, tx, id, edit.pinecone_environment, edit.pinecone_api_key).await?;
            if is_news || sets_up {
                cx.audit_change(tx, "tenant.update", id, Some(id), detail);
            }
            Ok(row)
        })
        .await?;
    cx.services().origins.forget();
    Ok(row)
}

/// Switches a tenant off: its people can't sign in and what they have open ends; its data stays. Again changes nothing.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn deactivate(cx: &AdminCx, id: TenantId) -> Outcome<TenantRow> {
    let changes = TenantChanges {
        subdomain: None,
        name: None,
        is_active: Some(false),
        system_prompt: None,
        allowed_origins: None,
        monthly_token_quota: None,
        updated_at: cx.now(),
    };
    let row = cx
        .administer(async |tx| {
            let known = tenants::find(tx, id).await?.ok_or_else(missing)?;
            if !changes.is_news(&known) {
                return Ok(known);
            }
            let row = tenants::update(tx, id, &changes).await?.ok_or_else(missing)?;
            cx.audit(tx, "tenant.deactivate", id, Some(id));
            Ok(row)
        })
        .await?;
    cx.services().origins.forget();
    Ok(row)
}

fn missing() -> Refusal {
    Refusal::not_found("tenant")
}

/// Notes where a tenant's index at Pinecone is, and its key. Which retriever answers is for `updateRetrievalSettings`.
async fn set_up_index(
    cx: &AdminCx,
    tx: &mut Tx<Admin>,
    id: TenantId,
    environment: Edit,
    key: SecretEdit,
) -> Outcome<()> {
    if environment.is_none() && key.is_none() {
        return Ok(());
    }
    let changes = RetrievalChanges {
        pinecone_environment: settings::checked(environment, settings::environment)?,
        // Another key opens another index, of which the tenant's own namespace is all that it may read.
        pinecone_namespace: key.is_some().then_some(None),
        updated_at: cx.now(),
        ..RetrievalChanges::default()
    };
    set_up_retrieval(tx, id, &changes).await?;
    let key = settings::entrusted("pineconeApiKey", settings::PINECONE_API_KEY, key)?;
    settings::keep(cx.services(), tx, id, key).await?;
    Ok(settings::coherent(&settings::now(tx, id).await?)?)
}

/// Changes to a tenant's profile. An outer `None` leaves as it is, an inner one clears.
#[derive(Default)]
#[expect(missing_docs, reason = "as the row")]
pub struct ProfileEdit {
    pub business_name: Option<Option<String>>,
    pub website_url: Option<Option<String>>,
    pub phone_number: Option<Option<String>>,
    pub email: Option<Option<String>>,
    pub time_zone: Option<Option<String>>,
}

/// Changes what the tenant says of itself.
///
/// # Errors
/// `BAD_USER_INPUT` naming the argument.
pub async fn update_profile(cx: &TenantCx, edit: ProfileEdit) -> Outcome<TenantRow> {
    let changes = ProfileChanges {
        business_name: settings::checked(edit.business_name, |name| text::required("businessName", name, 200))?,
        website_url: settings::checked(edit.website_url, |url| web::address("websiteUrl", url))?,
        phone_number: settings::checked(edit.phone_number, |number| phone::normalise("phoneNumber", number))?,
        contact_email: settings::checked(edit.email, |address| email::normalise("email", address))?,
        time_zone: settings::checked(edit.time_zone, time_zone)?,
        updated_at: cx.now(),
    };
    let detail = audit::said(&[
        ("businessName", changes.business_name.is_some()),
        ("websiteUrl", changes.website_url.is_some()),
        ("phoneNumber", changes.phone_number.is_some()),
        ("email", changes.contact_email.is_some()),
        ("timeZone", changes.time_zone.is_some()),
    ]);
    cx.write(async |tx| {
        let own = tenants::own(tx).await?;
        if !changes.is_news(&own) {
            return Ok(own);
        }
        let row = tenants::update_own(tx, &changes).await?;
        cx.audit_change(tx, "tenant.profile", row.id, detail);
        Ok(row)
    })
    .await
}

/// A name of the time zone database, as far as this build knows it.
fn time_zone(name: &str) -> Result<String, Refusal> {
    zone::parse(name.trim()).map(|zone| zone.name().to_owned()).ok_or_else(|| {
        Refusal::input(
            "timeZone",
            "`timeZone` must be a name of the time zone database, such as `America/New_York` or `UTC`.",
        )
    })
}

fn quota(quota: Option<i32>) -> Result<Option<i32>, Refusal> {
    if quota.is_some_and(|tokens| tokens < 0) {
        return Err(Refusal::input("monthlyTokenQuota", "`monthlyTokenQuota` must not be negative."));
    }
    Ok(quota)
}

/// Checks that each is an origin (scheme, host, port) and nothing more.
fn origins(list: &[String]) -> Result<serde_json::Value, Refusal> {
    let wrong = |text: &str| {
        let message = if text.contains('*') {
            format!("`{text}` is not one origin; list each by itself, like `https://www.example.com`.")
        } else {
            format!("`{text}` is not an origin; write it like `https://www.example.com`, without a path.")
        };
        Refusal::input("allowedOrigins", message)
    };
    if list.len() > ORIGINS_MAX {
        return Err(Refusal::input("allowedOrigins", format!("At most {ORIGINS_MAX} origins are allowed.")));
    }
    let mut origins = Vec::with_capacity(list.len());
    for text in list {
        origins.push(origin::normalise(text).ok_or_else(|| wrong(text))?);
    }
    Ok(serde_json::json!(origins))
}
