//! What the assistant may answer from: documents, cut into pieces that are small enough to be told a model and large enough
//! to make sense alone.

use crate::{
    context::TenantCx,
    db::tables::{
        knowledge::{self, DocumentRow, NewDocument},
        settings,
    },
    kernel::{
        failure::{ErrorCode, Outcome, Refusal},
        ids::DocumentId,
        text, web,
    },
};

/// Longest document, in characters.
const CONTENT_MAX: usize = 200_000;
/// Longest piece, in characters: about 250 tokens.
const CHUNK_MAX: usize = 1_000;

/// Most pieces of a tenant: a search looks at all of them, since PostgreSQL lets no text index pass before a policy.
const CHUNKS_MAX: i64 = 20_000;

/// A document to be.
pub struct DocumentForm {
    /// Its title.
    pub title: String,
    /// Its text.
    pub content: String,
    /// Where it is from.
    pub source_url: Option<String>,
}

/// Adds a document.
///
/// # Errors
/// `BAD_USER_INPUT` naming the argument; `QUOTA_EXCEEDED` when the tenant has as much as can be searched in time.
pub async fn add(cx: &TenantCx, form: &DocumentForm) -> Outcome<DocumentRow> {
    let document = NewDocument {
        tenant_id: cx.scope().tenant(),
        title: text::required("title", &form.title, 300)?,
        source_url: text::given(form.source_url.as_deref()).map(|url| web::address("sourceUrl", url)).transpose()?,
        content: text::required("content", &form.content, CONTENT_MAX)?,
        created_at: cx.now(),
    };
    let chunks = chunks(&document.content);
    let new = i64::try_from(chunks.len()).unwrap_or(i64::MAX);
    cx.write(async |tx| {
        let language = settings::hold_language(tx, cx.now()).await?;
        if knowledge::all_chunks(tx).await?.saturating_add(new) > CHUNKS_MAX {
            return Err(Refusal::new(
                ErrorCode::QuotaExceeded,
                format!("A tenant's documents may be cut into {CHUNKS_MAX} pieces in all. Remove some first."),
            )
            .into());
        }
        let row = knowledge::insert(tx, &document, &chunks, language).await?;
        cx.audit(tx, "knowledge.add", row.id);
        Ok(row)
    })
    .await
}

/// Removes a document; what was answered from it stays as it was said.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn delete(cx: &TenantCx, id: DocumentId) -> Outcome<()> {
    cx.write(async |tx| {
        if !knowledge::delete(tx, id).await? {
            return Err(Refusal::not_found("document").into());
        }
        cx.audit(tx, "knowledge.delete", id);
        Ok(())
    })
    .await
}

/// Cuts a text into pieces: whole paragraphs as long as they fit together, else whole sentences, else whole words.
#[must_use]
pub fn chunks(text: &str) -> Vec<String> {
    let mut chunks: Vec<String> = Vec::new();
    let mut open = String::new();
    for paragraph in text.replace("\r\n", "\n").split("\n\n").map(str::trim).filter(|part| !part.is_empty()) {
        for (part, glue) in parts(paragraph) {
            let glue = if open.is_empty() { "" } else { glue };
            if !open.is_empty() && length(&open) + length(glue) + length(part) > CHUNK_MAX {
                chunks.push(std::mem::take(&mut open));
                open.push_str(part);
            } else {
                open.push_str(glue);
                open.push_str(part);
            }
        }
    }
    if !open.is_empty() {
        chunks.push(open);
    }
    chunks
}

/// A paragraph in parts that each fit into a piece, and what stands between a part and the one before it.
fn parts(paragraph: &str) -> Vec<(&str, &'static str)> {
    if length(paragraph) <= CHUNK_MAX {
        return vec![(paragraph, "\n\n")];
    }
    let mut parts = Vec::new();
    let mut rest = paragraph;
    while !rest.is_empty() {
        let (part, after) = rest.split_at(cut(rest));
        parts.push((part.trim(), if parts.is_empty() { "\n\n" } else { " " }));
        rest = after.trim_start();
    }
    parts
}

/// Where to cut: behind the last sentence that fits, else behind the last word, else in mid-word.
fn cut(text: &str) -> usize {
    let Some((end, _)) = text.char_indices().nth(CHUNK_MAX) else { return text.len() };
    let (fits, _) = text.split_at(end);
    let sentence = [". ", "! ", "? ", "\n"].iter().filter_map(|mark| Some(fits.rfind(mark)? + mark.len())).max();
    let word = fits.rfind(char::is_whitespace).filter(|at| *at > 0);
    sentence.or(word).unwrap_or(end)
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_paragraphs_stay_together_and_long_ones_are_cut_at_sentences() {
        assert_eq!(chunks("One.\n\nTwo.\r\n\r\n\n\nThree."), ["One.\n\nTwo.\n\nThree."]);
        let sentence = format!("{}. ", "word ".repeat(79).trim_end());
        let long = sentence.repeat(4);
        let made = chunks(&long);
        assert_eq!(made.len(), 2, "{made:?}");
        assert!(made.iter().all(|chunk| chunk.ends_with('.')), "{made:?}");
        assert_eq!(chunks(&"x".repeat(2_500)).iter().map(String::len).collect::<Vec<_>>(), [1_000, 1_000, 500]);
        assert!(chunks(" \n\n ").is_empty());
    }

    proptest! {
        #[test]
        fn no_word_is_lost_and_no_piece_is_too_long(text in "([a-zé]{1,12}[.!?]?[ \n]{1,3}){0,400}") {
            let made = chunks(&text);
            prop_assert!(made.iter().all(|chunk| !chunk.is_empty() && length(chunk) <= CHUNK_MAX));
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(words(&made.join(" ")), words(&text));
        }
    }
}
