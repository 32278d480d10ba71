//! Who writes a tenant's replies. Its own keys go in sealed, and are opened for a call alone. Must not call a model.

use crate::{
    context::{TenantCx, audit},
    db::{
        tables::{
            provisioning::Provisioned,
            secrets,
            settings::{self, ModelChanges, ModelRow},
        },
        tx::{Tenant, Tx},
    },
    domain::settings::{Change, Edit, SecretEdit, checked, entrusted, keep, now},
    kernel::{
        failure::{Outcome, Refusal},
        text,
        vocabulary::ModelProvider,
    },
    llm::Wish,
    secrets::Sealed,
};

/// The name under which a tenant's OpenAI API key is kept.
pub const OPENAI_API_KEY: &str = "openai_api_key";
/// The name under which a tenant's Gemini API key is kept.
pub const GEMINI_API_KEY: &str = "gemini_api_key";

/// Longest name of a model, in characters.
const NAME_MAX: usize = 100;
/// How many tokens a reply may be bounded to.
const OUTPUT: std::ops::RangeInclusive<i32> = 16..=65_536;

/// Changes to who writes the tenant's replies.
#[derive(Default)]
#[expect(missing_docs, reason = "as the graph's input")]
pub struct ModelEdit {
    pub provider: Option<ModelProvider>,
    pub model: Edit,
    pub openai_api_key: SecretEdit,
    pub gemini_api_key: SecretEdit,
    pub allow_fallback: Option<bool>,
    pub max_output_tokens: Option<Option<i32>>,
}

/// Changes who writes the tenant's replies. A model's name belongs to its provider: another provider without a name clears
/// it.
///
/// # Errors
/// `BAD_USER_INPUT` naming the argument, also for a model's name without a provider that it could be of.
pub async fn update(cx: &TenantCx, edit: ModelEdit) -> Outcome<Provisioned> {
    let tenant = cx.scope().tenant();
    let mut changes = ModelChanges {
        provider: edit.provider,
        model: checked(edit.model, name)?,
        allow_fallback: edit.allow_fallback,
        max_output_tokens: edit.max_output_tokens.map(|most| most.map(bound).transpose()).transpose()?,
        updated_at: cx.now(),
    };
    let openai = entrusted("openaiApiKey", OPENAI_API_KEY, edit.openai_api_key)?;
    let gemini = entrusted("geminiApiKey", GEMINI_API_KEY, edit.gemini_api_key)?;
    let detail = audit::said(&[
        ("provider", changes.provider.is_some()),
        ("model", changes.model.is_some()),
        ("openaiApiKey", !matches!(openai, Change::Left)),
        ("geminiApiKey", !matches!(gemini, Change::Left)),
        ("allowFallback", changes.allow_fallback.is_some()),
        ("maxOutputTokens", changes.max_output_tokens.is_some()),
    ]);
    cx.write(async |tx| {
        let before = settings::model(tx).await?;
        if changes.provider.is_some_and(|provider| provider != before.provider) {
            changes.model.get_or_insert(None);
        }
        settings::change_model(tx, &changes).await?;
        keep(cx.services(), tx, tenant, openai).await?;
        keep(cx.services(), tx, tenant, gemini).await?;
        let now = now(tx, tenant).await?;
        // Refused, the transaction ends, and so does the change.
        coherent(&now.settings.model)?;
        cx.audit_change(tx, "settings.model", tenant, detail);
        Ok(now)
    })
    .await
}

/// Whom the tenant wishes to write, read for one reply; its key still sealed.
pub struct Chosen {
    row: ModelRow,
    key: Option<(&'static str, Sealed)>,
}

/// Reads whom the tenant wishes to write.
///
/// # Errors
/// Database faults.
pub async fn chosen(tx: &Tx<Tenant>) -> Outcome<Chosen> {
    let row = settings::model(tx).await?;
    let name = match row.provider {
        ModelProvider::Openai => Some(OPENAI_API_KEY),
        ModelProvider::Gemini => Some(GEMINI_API_KEY),
        // The platform's choice goes by the platform's key.
        ModelProvider::Platform | ModelProvider::BuiltIn => None,
    };
    let key = match name {
        Some(name) => secrets::sealed(tx, name).await?.map(|sealed| (name, sealed)),
        None => None,
    };
    Ok(Chosen { row, key })
}

impl Chosen {
    /// The wish, with the key opened for the call.
    ///
    /// # Errors
    /// A key that does not open: it was sealed under another `SECRET_KEY`, or is another tenant's.
    pub fn open(self, cx: &TenantCx) -> Outcome<Wish> {
        let opened = self.key.map(|(name, sealed)| cx.services().secrets.open(cx.scope().tenant(), name, &sealed));
        Ok(Wish {
            provider: self.row.provider,
            model: self.row.model,
            key: opened.transpose().map_err(anyhow::Error::from)?,
            allow_fallback: self.row.allow_fallback,
            max_output: self.row.max_output_tokens.and_then(|most| u32::try_from(most).ok()),
        })
    }
}

/// A model's name as providers write them; `::` would be read as the name of a provider.
fn name(given: &str) -> Result<String, Refusal> {
    let name = text::required("model", given, NAME_MAX)?;
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-:/@".contains(&byte));
    if is_plain && !name.contains("::") && !name.contains("..") {
        Ok(name)
    } else {
        Err(Refusal::input("model", "`model` must be a model's name, such as `gpt-4o-mini`."))
    }
}

fn bound(most: i32) -> Result<i32, Refusal> {
    if OUTPUT.contains(&most) {
        Ok(most)
    } else {
        let message = format!("`maxOutputTokens` must be from {} to {}.", OUTPUT.start(), OUTPUT.end());
        Err(Refusal::input("maxOutputTokens", message))
    }
}

fn coherent(row: &ModelRow) -> Result<(), Refusal> {
    let is_of_none = matches!(row.provider, ModelProvider::Platform | ModelProvider::BuiltIn);
    if is_of_none && row.model.is_some() {
        return Err(Refusal::input("model", "`model` needs the `provider` that it is of: OPENAI or GEMINI."));
    }
    Ok(())
}
