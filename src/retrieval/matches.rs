//! From what an index holds to a passage. Whoever filled the index chose the names and the sizes: the usual names are
//! known, and the sizes are cut. Must not trust a word of it.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{db::tables::knowledge::Passage, kernel::web};

/// Longest passage that a model is told, in characters.
const TEXT_MAX: usize = 2_000;
/// Longest title, in characters.
const TITLE_MAX: usize = 300;

const TEXT: &[&str] = &["text", "chunk", "chunk_text", "content", "page_content"];
const TITLE: &[&str] = &["title", "name", "document", "file_name", "filename"];
const SOURCE: &[&str] = &["source_url", "sourceUrl", "url", "link", "source"];

/// A record of an index that is near to a question.
#[derive(Debug, Deserialize)]
pub(super) struct Match {
    id: String,
    score: Option<f64>,
    metadata: Option<Map<String, Value>>,
}

/// The record as a passage; `None` where it holds no text.
pub(super) fn passage(found: Match) -> Option<Passage> {
    let metadata = found.metadata.unwrap_or_default();
    let texts = |names: &'static [&str], max| {
        names.iter().filter_map(|name| metadata.get(*name)?.as_str()).map(move |text| plain(text, max))
    };
    let text = texts(TEXT, TEXT_MAX).find(|text| !text.is_empty())?;
    let title = texts(TITLE, TITLE_MAX).find(|title| !title.is_empty()).unwrap_or_else(|| plain(&found.id, TITLE_MAX));
    // Clients make links of it: an address of the web, or none.
    let source_url = texts(SOURCE, usize::MAX).find_map(|text| web::address("source", &text).ok());
    // By cosine it is from -1 to 1, and by other measures anything; the order is the index's own.
    let score = found.score.filter(|score| score.is_finite()).unwrap_or(0.0).clamp(0.0, 1.0);
    Some(Passage { title, text, source_url, score })
}

/// At most `max` characters, none of which PostgreSQL or a reader would stumble over.
fn plain(text: &str, max: usize) -> String {
    let kept: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).take(max).collect();
    kept.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(found: Value) -> Option<Passage> {
        passage(serde_json::from_value(found).expect("a match"))
    }

    #[test]
    fn the_usual_names_are_known() {
        for (name, title, source) in [
            ("text", "title", "source"),
            ("chunk", "name", "url"),
            ("content", "filename", "source_url"),
            ("page_content", "document", "link"),
        ] {
            let found = read(json!({ "id": "a#1", "score": 0.5, "values": [], "metadata": {
                name: " Parking is free. ", title: "Parking", source: "https://acme.example/p", "n": 1.0, "tags": ["a"],
            } }));
            let expected = Passage {
                title: "Parking".into(),
                text: "Parking is free.".into(),
                source_url: Some("https://acme.example/p".into()),
                score: 0.5,
            };
            assert_eq!(found, Some(expected), "{name}");
        }
    }

    #[test]
    fn what_lacks_or_is_odd_does_no_harm() {
        assert_eq!(read(json!({ "id": "a" })), None);
        assert_eq!(read(json!({ "id": "a", "metadata": null, "score": null })), None);
        assert_eq!(read(json!({ "id": "a", "metadata": { "text": 7, "chunk": " " } })), None);
        let odd = json!({ "id": "faq#1", "score": 7e30, "metadata": {
            "text": format!("a\u{0}b\u{1b}{}", "x".repeat(5_000)), "title": "\u{0}", "source": "javascript:alert(1)", "url": "handbook.pdf",
        } });
        let passage = read(odd).expect("a passage");
        assert_eq!((passage.title.as_str(), passage.source_url, passage.score), ("faq#1", None, 1.0));
        assert!(passage.text.starts_with("abx") && passage.text.len() == TEXT_MAX);
        assert!(
            read(json!({ "id": "a", "score": -0.3, "metadata": { "text": "x" } }))
                .is_some_and(|found| found.score == 0.0)
        );
    }
}
