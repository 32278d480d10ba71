//! `PromptBundle` and `ComposedPrompt`.

use async_graphql::{ID, InputObject, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};

use crate::{
    context::TenantCx,
    db::tables::prompts::{BundleRow, SectionRow},
    domain::prompts::{Composed, PromptOrigin, SetupForm},
    kernel::vocabulary::{Channel, PromptStatus},
};

/// A named, versioned list of sections that tell the assistant what to be.
#[derive(Clone)]
pub struct PromptBundle {
    pub row: BundleRow,
    pub cx: TenantCx,
}

/// A named, versioned list of sections that tell the assistant what to be.
#[Object]
impl PromptBundle {
    /// The global id, such as `prompt_3`.
    pub async fn id(&self) -> ID {
        ID(self.row.id.to_string())
    }
    /// Its name.
    async fn name(&self) -> &str {
        &self.row.name
    }
    /// Where it is in its life.
    async fn status(&self) -> PromptStatus {
        self.row.status
    }
    /// Counts the owner's bundles.
    async fn version(&self) -> i32 {
        self.row.version
    }
    /// It is the global base, which every tenant's prompt stands on.
    async fn is_global(&self) -> bool {
        self.row.tenant_id.is_none()
    }
    /// Its sections, in order.
    async fn sections(&self) -> Result<Vec<PromptSection>> {
        let rows = self.cx.loaders().sections(self.row.id).await?;
        Ok(rows.into_iter().map(PromptSection::from).collect())
    }
    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }
    /// When it was put into production.
    async fn published_at(&self) -> Option<DateTime<Utc>> {
        self.row.published_at
    }
}

/// A section of a bundle.
#[derive(SimpleObject)]
pub struct PromptSection {
    /// Unique in its bundle; a tenant's section replaces the base's of the same key.
    key: String,
    /// What the assistant is told.
    content: String,
    /// Where it stands.
    order: i32,
    /// The channels it is for; null for all.
    channels: Option<Vec<Channel>>,
    /// A section of the base that no tenant can override.
    is_locked: bool,
}

impl From<SectionRow> for PromptSection {
    fn from(row: SectionRow) -> Self {
        Self {
            channels: row.channels(),
            key: row.key,
            content: row.content,
            order: row.position,
            is_locked: row.is_locked,
        }
    }
}

/// The base and the tenant's sections merged, as the model will see them.
#[derive(SimpleObject)]
pub struct ComposedPrompt {
    /// The whole text.
    text: String,
    /// SHA-256 of the text, in hex; each reply keeps the hash of the prompt that it was written under.
    hash: String,
    /// Its parts, in order.
    sections: Vec<ComposedSection>,
}

/// A section of a composed prompt.
#[derive(SimpleObject)]
pub struct ComposedSection {
    /// Its key.
    key: String,
    /// What the assistant is told.
    content: String,
    /// Where it stands.
    order: i32,
    /// Whose it is.
    origin: PromptOrigin,
    /// It replaced the base's section of the same key.
    overrides_global: bool,
}

impl From<Composed> for ComposedPrompt {
    fn from(composed: Composed) -> Self {
        let sections = composed
            .sections
            .into_iter()
            .map(|section| ComposedSection {
                key: section.key,
                content: section.content,
                order: section.position,
                origin: section.origin,
                overrides_global: section.overrides_global,
            })
            .collect();
        Self { text: composed.text, hash: composed.hash, sections }
    }
}

/// The quick way to a prompt of one's own: up to three sections, in production at once.
#[derive(InputObject)]
pub struct SetupPromptInput {
    /// The bundle's name.
    name: String,
    /// What the business is, and how it wants to be spoken for.
    business_prompt: String,
    /// Questions and answers, best as `Q: …` and `A: …` lines: the built-in responder quotes them.
    faq: Option<String>,
    /// What to do and what not.
    rules: Option<String>,
}

impl From<SetupPromptInput> for SetupForm {
    fn from(input: SetupPromptInput) -> Self {
        Self { name: input.name, business_prompt: input.business_prompt, faq: input.faq, rules: input.rules }
    }
}
