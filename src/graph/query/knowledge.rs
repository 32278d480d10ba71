//! What the assistant may answer from.

use async_graphql::{Context, Object, Result};

use crate::{
    db::tables::knowledge,
    graph::{
        auth::{Access, auth},
        context,
        types::{
            knowledge::{KnowledgeDocument, KnowledgeDocumentConnection, RetrievedPassage},
            page,
        },
    },
    kernel::{
        failure::Refusal,
        page::{List, Position},
        text,
    },
};

/// Passages that a search gives where nobody says how many.
const PASSAGES: i32 = 5;
/// Most passages that a search gives.
const PASSAGES_MAX: i32 = 50;

#[derive(Default)]
pub struct KnowledgeQuery;

#[Object]
impl KnowledgeQuery {
    /// The tenant's documents, newest first.
    #[graphql(directive = auth::apply(Access::User))]
    async fn knowledge_documents(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most this many; 20 if omitted, 100 at the most.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many from the back; 100 at the most.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> Result<KnowledgeDocumentConnection> {
        let cx = context::tenant(ctx)?.clone();
        let page = page(List::Documents, first, after, last, before)?;
        let slice = cx.read(async |tx| knowledge::page(tx, &page).await).await?;
        let counting = cx.clone();
        Ok(KnowledgeDocumentConnection::new(
            slice,
            |row| Position::created(row.created_at, row.id.0),
            move |row| KnowledgeDocument { row, cx: cx.clone() },
            move || {
                let cx = counting.clone();
                async move { cx.read(async |tx| knowledge::count(tx).await).await }
            },
        ))
    }

    /// The passages that fit a question best, from where the assistant looks for them too. For BUILT_IN that is the tenant's
    /// documents, by full-text search: words in quotes stand together, `or` lets choose, a minus excludes; passages with all
    /// that was asked for come first, then those with some of it, unless something was excluded. For PINECONE it is the
    /// tenant's index, and UPSTREAM_UNAVAILABLE says what is wrong with it where the assistant answers without passages.
    #[graphql(directive = auth::apply(Access::User))]
    async fn search_knowledge(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The question, or some words, 1 to 1,000 characters.")] question: String,
        #[graphql(desc = "At most this many, 1 to 50; 5 if omitted.")] limit: Option<i32>,
    ) -> Result<Vec<RetrievedPassage>> {
        let cx = context::tenant(ctx)?;
        let question = text::required("question", &question, 1_000)?;
        let limit = limit.unwrap_or(PASSAGES);
        if !(1..=PASSAGES_MAX).contains(&limit) {
            return Err(Refusal::input("limit", format!("`limit` must be from 1 to {PASSAGES_MAX}.")).into());
        }
        let passages = context::engine(ctx)?.retrieval().search(cx, &question, limit.into()).await?;
        Ok(passages.into_iter().map(RetrievedPassage::from).collect())
    }
}
