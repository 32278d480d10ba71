//! `PromptBundle` and `ComposedPrompt`.

use async_graphql::{ID, InputObject, Object, Result, SimpleObject};

use crate::{
    context::View,
    db::tables::prompts::{BundleFilter, BundleRow, NewSection, SectionRow},
    domain::prompts::{BundleForm, Composed, PromptOrigin, SetupForm},
    graph::{connection::connection, plain::plain, scalars::DateTime},
    kernel::{
        failure::Outcome,
        ids::BundleId,
        vocabulary::{Channel, PromptStatus},
    },
};

/// A named, versioned list of sections that tell the assistant what to be.
#[derive(Clone)]
pub struct PromptBundle {
    pub row: BundleRow,
    pub view: View,
}

impl PromptBundle {
    /// The one with this id, as far as it can be seen from here.
    pub async fn load(view: &View, id: BundleId) -> Outcome<Option<Self>> {
        let row = match view {
            View::Tenant(cx) => cx.loaders().bundle(id).await?,
            View::Platform(cx) => cx.loaders().bundle(id).await?,
        };
        Ok(row.map(|row| Self { row, view: view.clone() }))
    }

    async fn section_rows(&self) -> Outcome<Vec<SectionRow>> {
        match &self.view {
            View::Tenant(cx) => cx.loaders().sections(self.row.id).await,
            View::Platform(cx) => cx.loaders().sections(self.row.id).await,
        }
    }
}

/// A named, versioned list of sections that tell the assistant what to be.
#[Object]
impl PromptBundle {
    /// The global id, such as `prompt_3`.
    pub async fn id(&self) -> ID {
        ID(self.row.id.global())
    }
    /// Its name.
    async fn name(&self) -> &str {
        &self.row.name
    }
    /// Where it is in its life.
    async fn status(&self) -> PromptStatus {
        self.row.status
    }
    /// Counts the owner's bundles. A version that was published is never changed.
    async fn version(&self) -> i32 {
        self.row.version
    }
    /// It is the global base, which every tenant's prompt stands on.
    async fn is_global(&self) -> bool {
        self.row.tenant_id.is_none()
    }
    /// Its sections, in order.
    async fn sections(&self) -> Result<Vec<PromptSection>> {
        Ok(self.section_rows().await?.into_iter().map(PromptSection::from).collect())
    }
    /// Keys of sections that have no effect, since the global base locks its own section of the same key.
    async fn ignored_keys(&self) -> Result<Vec<String>> {
        let View::Tenant(cx) = &self.view else { return Ok(Vec::new()) };
        if self.row.tenant_id.is_none() {
            return Ok(Vec::new());
        }
        let locked = cx.loaders().locked_keys(()).await?;
        let keys = self.section_rows().await?.into_iter().map(|section| section.key);
        Ok(keys.filter(|key| locked.contains(key)).collect())
    }
    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.row.created_at.into()
    }
    /// When it was put into production.
    async fn published_at(&self) -> Option<DateTime> {
        self.row.published_at.map(DateTime)
    }
}

plain!(PromptBundle {
    "id" => id,
    "name" => name,
    "status" => status,
    "version" => version,
    "isGlobal" => is_global,
    "createdAt" => created_at,
    "publishedAt" => published_at,
});

connection!(
    PromptBundleConnection, PromptBundleEdge of PromptBundle,
    "A page of bundles.", "A bundle and its place in the list."
);

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
    /// A section of the base that no tenant can override, on any channel.
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
    /// SHA-256 of the text, in hex. Each reply keeps the hash of the prompt that it was written under, composed for its
    /// channel: name the channel to compare.
    hash: String,
    /// Its parts, in order. A tenant's `systemPrompt` leads the text and is none of them.
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

/// A bundle, whole: its sections replace what a draft held.
#[derive(InputObject)]
pub struct PromptBundleInput {
    /// Its name, 1 to 200 characters.
    name: String,
    /// Its sections, 1 to 50.
    #[graphql(validator(max_items = 50))]
    sections: Vec<PromptSectionInput>,
}

/// A section of a bundle.
#[derive(InputObject)]
pub struct PromptSectionInput {
    /// Unique in its bundle; a tenant's section replaces the base's of the same key. Lower-case letters, digits, `_`, `-`.
    key: String,
    /// What the assistant is told.
    content: String,
    /// Where it stands; sections of the same number stand by their keys.
    order: i32,
    /// The channels it is for; omit for all.
    #[graphql(validator(max_items = 10))]
    channels: Option<Vec<Channel>>,
    /// No tenant can override it; for sections of the global base only.
    #[graphql(default = false)]
    is_locked: bool,
}

impl From<PromptBundleInput> for BundleForm {
    fn from(input: PromptBundleInput) -> Self {
        let section = |section: PromptSectionInput| NewSection {
            key: section.key,
            content: section.content,
            position: section.order,
            channels: section.channels,
            is_locked: section.is_locked,
        };
        Self { name: input.name, sections: input.sections.into_iter().map(section).collect() }
    }
}

/// A bundle to be shown as if it were in production.
#[derive(InputObject)]
pub struct PromptPreviewInput {
    /// Which.
    pub bundle_id: ID,
    /// As on this channel; omitted, with the sections of all channels.
    pub channel: Option<Channel>,
}

/// Which bundles to list.
#[derive(InputObject, Default)]
pub struct PromptBundleFilter {
    /// Only those with one of these.
    #[graphql(validator(max_items = 10))]
    status: Option<Vec<PromptStatus>>,
    /// Only the global base's, or only the tenant's own.
    is_global: Option<bool>,
}

impl From<PromptBundleFilter> for BundleFilter {
    fn from(filter: PromptBundleFilter) -> Self {
        Self { status: filter.status, is_global: filter.is_global }
    }
}
