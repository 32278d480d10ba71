//! `knowledge_documents` and their `knowledge_chunks`.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Double, Nullable, Text},
};
use diesel_async::RunQueryDsl;

use crate::{
    db::{
        schema::{knowledge_chunks, knowledge_documents},
        tables::page_of,
        tx::{Tenant, Tx},
    },
    kernel::{
        failure::Outcome,
        ids::{DocumentId, TenantId},
        page::{Page, Slice},
        vocabulary::SearchLanguage,
    },
};

/// Pieces whose words are taken apart anew by one statement.
const TRANSLATED_AT_ONCE: i64 = 2_000;

/// A document, without its text.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = knowledge_documents)]
#[expect(missing_docs, reason = "the columns are described in the migration and in the graph")]
pub struct DocumentRow {
    pub id: DocumentId,
    pub title: String,
    pub source_url: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// A document to be.
#[derive(Insertable)]
#[diesel(table_name = knowledge_documents, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "as the row")]
pub struct NewDocument {
    pub tenant_id: TenantId,
    pub title: String,
    pub source_url: Option<String>,
    pub content: String,
    pub created_at: DateTime<Utc>,
}

#[derive(Insertable)]
#[diesel(table_name = knowledge_chunks, treat_none_as_default_value = false)]
struct NewChunk<'a> {
    tenant_id: TenantId,
    document_id: DocumentId,
    position: i32,
    text: &'a str,
    language: SearchLanguage,
}

/// Several documents, for the loader.
///
/// # Errors
/// Database faults.
pub async fn find_many(tx: &mut Tx<Tenant>, ids: &[DocumentId]) -> Outcome<Vec<DocumentRow>> {
    let tenant = tx.tenant();
    Ok(knowledge_documents::table
        .filter(knowledge_documents::id.eq_any(ids))
        .filter(knowledge_documents::tenant_id.eq(tenant))
        .select(DocumentRow::as_select())
        .load(tx.conn())
        .await?)
}

/// The texts of several documents.
///
/// # Errors
/// Database faults.
pub async fn texts(tx: &mut Tx<Tenant>, ids: &[DocumentId]) -> Outcome<Vec<(DocumentId, String)>> {
    let tenant = tx.tenant();
    Ok(knowledge_documents::table
        .filter(knowledge_documents::id.eq_any(ids))
        .filter(knowledge_documents::tenant_id.eq(tenant))
        .select((knowledge_documents::id, knowledge_documents::content))
        .load(tx.conn())
        .await?)
}

/// A page of documents, newest first.
///
/// # Errors
/// Database faults.
pub async fn page(tx: &mut Tx<Tenant>, page: &Page) -> Outcome<Slice<DocumentRow>> {
    let own = knowledge_documents::table.filter(knowledge_documents::tenant_id.eq(tx.tenant())).into_boxed();
    let rows = page_of!(own, page, knowledge_documents::created_at, knowledge_documents::id)
        .select(DocumentRow::as_select())
        .load(tx.conn())
        .await?;
    Ok(page.cut(rows))
}

/// How many documents there are.
///
/// # Errors
/// Database faults.
pub async fn count(tx: &mut Tx<Tenant>) -> Outcome<i64> {
    let tenant = tx.tenant();
    Ok(knowledge_documents::table
        .filter(knowledge_documents::tenant_id.eq(tenant))
        .count()
        .get_result(tx.conn())
        .await?)
}

/// How many pieces the tenant has in all.
///
/// # Errors
/// Database faults.
pub async fn all_chunks(tx: &mut Tx<Tenant>) -> Outcome<i64> {
    let tenant = tx.tenant();
    Ok(knowledge_chunks::table.filter(knowledge_chunks::tenant_id.eq(tenant)).count().get_result(tx.conn()).await?)
}

/// How many pieces each of several documents was cut into.
///
/// # Errors
/// Database faults.
pub async fn chunk_counts(tx: &mut Tx<Tenant>, documents: &[DocumentId]) -> Outcome<HashMap<DocumentId, i64>> {
    let tenant = tx.tenant();
    let counts: Vec<(DocumentId, i64)> = knowledge_chunks::table
        .filter(knowledge_chunks::tenant_id.eq(tenant))
        .filter(knowledge_chunks::document_id.eq_any(documents))
        .group_by(knowledge_chunks::document_id)
        .select((knowledge_chunks::document_id, diesel::dsl::count_star()))
        .load(tx.conn())
        .await?;
    Ok(counts.into_iter().collect())
}

/// Adds a document with the pieces that it was cut into, in the language that all of the tenant's are in.
///
/// # Errors
/// Database faults.
pub async fn insert(
    tx: &mut Tx<Tenant>,
    document: &NewDocument,
    chunks: &[String],
    language: SearchLanguage,
) -> Outcome<DocumentRow> {
    let row: DocumentRow = diesel::insert_into(knowledge_documents::table)
        .values(document)
        .returning(DocumentRow::as_returning())
        .get_result(tx.conn())
        .await?;
    let forms: Vec<_> = chunks
        .iter()
        .zip(0..)
        .map(|(text, position)| NewChunk {
            tenant_id: document.tenant_id,
            document_id: row.id,
            position,
            text,
            language,
        })
        .collect();
    diesel::insert_into(knowledge_chunks::table).values(forms).execute(tx.conn()).await?;
    Ok(row)
}

/// Has all pieces of the tenant's compared in `language`, a part of them at a time: no statement takes long.
///
/// # Errors
/// Database faults.
pub async fn translate(tx: &mut Tx<Tenant>, language: SearchLanguage) -> Outcome<()> {
    let tenant = tx.tenant();
    let others = knowledge_chunks::table
        .filter(knowledge_chunks::tenant_id.eq(tenant))
        .filter(knowledge_chunks::language.ne(language));
    loop {
        let part: Vec<i64> = others.select(knowledge_chunks::id).limit(TRANSLATED_AT_ONCE).load(tx.conn()).await?;
        if part.is_empty() {
            return Ok(());
        }
        diesel::update(others.filter(knowledge_chunks::id.eq_any(part)))
            .set(knowledge_chunks::language.eq(language))
            .execute(tx.conn())
            .await?;
    }
}

/// Removes a document and its pieces.
///
/// # Errors
/// Database faults.
pub async fn delete(tx: &mut Tx<Tenant>, id: DocumentId) -> Outcome<bool> {
    let tenant = tx.tenant();
    let own = knowledge_documents::table.find(id).filter(knowledge_documents::tenant_id.eq(tenant));
    Ok(diesel::delete(own).execute(tx.conn()).await? == 1)
}

/// A piece of a document that fits a question.
#[derive(Debug, Clone, PartialEq, Queryable)]
pub struct Passage {
    /// The document's title.
    pub title: String,
    /// The piece.
    pub text: String,
    /// Where the document is from.
    pub source_url: Option<String>,
    /// How well it fits, from 0 to 1.
    pub score: f64,
}

/// The pieces that fit a question best, its words compared in `language`. It is read as people search the web: words in
/// quotes stand together, `or` lets choose, a minus excludes. Pieces that hold all that was asked for come first; behind
/// them those that hold a word of it, unless something was excluded. More words, and closer together, count more.
///
/// # Errors
/// Database faults.
pub async fn search(
    tx: &mut Tx<Tenant>,
    language: SearchLanguage,
    question: &str,
    limit: i64,
) -> Outcome<Vec<Passage>> {
    Ok(Search { tenant: tx.tenant(), language, question: question.to_owned(), limit }.load(tx.conn()).await?)
}

/// Full-text search has no words in diesel. `whole` is the question as it was asked; `any` are its words joined by OR, since
/// people ask in sentences, and a passage that holds every word of one is rare. Between two words, `&` stands for both, and
/// `<1>` and the like for one behind the other. MATERIALIZED: the words are read once, not for each piece.
#[derive(QueryId)]
struct Search {
    tenant: TenantId,
    language: SearchLanguage,
    question: String,
    limit: i64,
}

impl QueryFragment<Pg> for Search {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH asked AS MATERIALIZED (SELECT search_config(");
        out.push_bind_param::<Text, _>(&self.language)?;
        out.push_sql(") AS config, ");
        out.push_bind_param::<Text, _>(&self.question)?;
        out.push_sql(
            "::text AS question), q AS MATERIALIZED (SELECT whole, CASE WHEN whole::text LIKE '%!%' THEN whole ",
        );
        out.push_sql(
            "ELSE regexp_replace(plainto_tsquery(config, question)::text, ' (&|<[-0-9]+>) ', ' | ', 'g')::tsquery ",
        );
        out.push_sql("END AS words FROM asked, websearch_to_tsquery(config, question) AS whole) ");
        out.push_sql("SELECT d.title, c.text, d.source_url, ");
        out.push_sql("(ts_rank_cd(c.search, q.words, 32)::float8 + (c.search @@ q.whole)::int) / 2 ");
        out.push_sql("FROM q JOIN knowledge_chunks c ON c.search @@ q.words ");
        out.push_sql("JOIN knowledge_documents d ON d.id = c.document_id AND d.tenant_id = c.tenant_id ");
        out.push_sql("WHERE c.tenant_id = ");
        out.push_bind_param::<BigInt, _>(&self.tenant)?;
        out.push_sql(" ORDER BY 4 DESC, d.id DESC, c.position LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        Ok(())
    }
}

impl Query for Search {
    type SqlType = (Text, Text, Nullable<Text>, Double);
}
