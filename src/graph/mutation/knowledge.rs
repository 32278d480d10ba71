//! What the assistant may answer from.

use async_graphql::{Context, ID, Object, Result};

use crate::{
    domain::knowledge,
    graph::{
        auth::{Access, auth},
        context,
        types::knowledge::{KnowledgeDocument, KnowledgeDocumentInput},
    },
    kernel::ids,
};

#[derive(Default)]
pub struct KnowledgeMutation;

#[Object]
impl KnowledgeMutation {
    /// Adds a document. It is cut into pieces, and can be found by its words at once; words are compared as the tenant's
    /// `language` does. A tenant may have 20,000 pieces in all.
    #[graphql(directive = auth::apply(Access::User))]
    async fn add_knowledge_document(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The document.")] input: KnowledgeDocumentInput,
    ) -> Result<KnowledgeDocument> {
        let cx = &context::tenant(ctx)?.renewed();
        let row = knowledge::add(cx, &input.into()).await?;
        Ok(KnowledgeDocument { row, cx: cx.clone() })
    }

    /// Removes a document, and gives its id. Replies that were written from it stay as they were written.
    #[graphql(directive = auth::apply(Access::User))]
    async fn delete_knowledge_document(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, such as `document_6`.")] id: ID,
    ) -> Result<ID> {
        knowledge::delete(context::tenant(ctx)?, ids::parse(&id, "id")?).await?;
        Ok(id)
    }
}
