//! `KnowledgeDocument` and the passages that are found in it.

use async_graphql::{ID, InputObject, Object, Result, SimpleObject};
use serde::Deserialize;

use crate::{
    context::TenantCx,
    db::tables::knowledge::{DocumentRow, Passage},
    domain::knowledge::DocumentForm,
    graph::{connection::connection, plain::plain, scalars::DateTime},
};

/// A document that the assistant may answer from.
#[derive(Clone)]
pub struct KnowledgeDocument {
    pub row: DocumentRow,
    pub cx: TenantCx,
}

/// A document that the assistant may answer from.
#[Object]
impl KnowledgeDocument {
    /// The global id, such as `document_6`.
    pub async fn id(&self) -> ID {
        ID(self.row.id.global())
    }
    /// Its title.
    async fn title(&self) -> &str {
        &self.row.title
    }
    /// Where it is from.
    async fn source_url(&self) -> Option<&str> {
        self.row.source_url.as_deref()
    }
    /// Its text, as it was added.
    async fn content(&self) -> Result<String> {
        Ok(self.cx.loaders().document_text(self.row.id).await?.unwrap_or_default())
    }
    /// How many pieces it was cut into; each is searched for itself.
    async fn chunk_count(&self) -> Result<i32> {
        let count = self.cx.loaders().chunk_count(self.row.id).await?;
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }
    /// When it was added.
    async fn created_at(&self) -> DateTime {
        self.row.created_at.into()
    }
}

plain!(KnowledgeDocument {
    "id" => id,
    "title" => title,
    "sourceUrl" => source_url,
    "createdAt" => created_at,
});

connection!(
    KnowledgeDocumentConnection, KnowledgeDocumentEdge of KnowledgeDocument,
    "A page of documents.", "A document and its place in the list."
);

/// A passage that a reply was written from, or that would be found for a question.
#[derive(SimpleObject, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetrievedPassage {
    /// The title of the document.
    title: String,
    /// The passage.
    text: String,
    /// Where the document is from.
    source_url: Option<String>,
    /// How well it fits, from 0 to 1.
    score: f64,
}

impl From<Passage> for RetrievedPassage {
    fn from(passage: Passage) -> Self {
        Self { title: passage.title, text: passage.text, source_url: passage.source_url, score: passage.score }
    }
}

/// A document to be added.
#[derive(InputObject)]
pub struct KnowledgeDocumentInput {
    /// Its title, 1 to 300 characters.
    title: String,
    /// Its text, 1 to 200,000 characters. Empty lines part paragraphs.
    content: String,
    /// Where it is from, as a web address.
    source_url: Option<String>,
}

impl From<KnowledgeDocumentInput> for DocumentForm {
    fn from(input: KnowledgeDocumentInput) -> Self {
        Self { title: input.title, content: input.content, source_url: input.source_url }
    }
}
