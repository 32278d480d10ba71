//! What a model is told of a call: JSON, and not too much of it.

use serde_json::{Map, Value, json};

/// Longest answer, in characters.
const MAX: usize = 6_000;

/// An answer: some facts, and perhaps a list, which is cut where it would be too long.
#[derive(Default)]
pub(super) struct Answer {
    facts: Map<String, Value>,
    list: Option<(&'static str, Vec<Value>)>,
}

impl Answer {
    /// The same, with a fact more.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }

    /// The same, with its list.
    pub(super) fn listing(mut self, name: &'static str, items: Vec<Value>) -> Self {
        self.list = Some((name, items));
        self
    }

    /// The answer as text, cut behind a whole item of its list, and saying so.
    pub(super) fn told(self) -> String {
        let Some((name, mut items)) = self.list else { return Value::Object(self.facts).to_string() };
        let all = items.len();
        loop {
            let mut body = self.facts.clone();
            if items.len() < all {
                let note = format!("{} more are left out here. Ask for less to see them.", all - items.len());
                body.insert("note".to_owned(), note.into());
            }
            body.insert(name.to_owned(), items.clone().into());
            let text = Value::Object(body).to_string();
            let length = text.chars().count();
            if length <= MAX || items.is_empty() {
                return text;
            }
            // As far as the average item says, and at least one; what is left is measured again.
            let fits = items.len() * MAX / length;
            items.truncate(fits.min(items.len() - 1));
        }
    }
}

/// What a model is told of a call that did not do.
pub(super) fn error(sentence: &str) -> String {
    json!({ "error": sentence }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut_behind_a_whole_item_and_says_so() {
        let items: Vec<Value> = (0..500).map(|number| json!({ "number": number, "text": "é".repeat(20) })).collect();
        let text = Answer::default().with("total", 500).listing("items", items).told();
        assert!(text.chars().count() <= MAX, "{}", text.chars().count());
        let read: Value = serde_json::from_str(&text).expect("JSON");
        let kept = read["items"].as_array().expect("a list").len();
        assert!(kept > 80, "{kept}");
        assert_eq!(read["note"], format!("{} more are left out here. Ask for less to see them.", 500 - kept));
        assert_eq!(read["items"][kept - 1]["number"], kept - 1);
        let short = Answer::default().listing("items", vec![json!(1)]).told();
        assert_eq!(short, r#"{"items":[1]}"#);
        let huge = Answer::default().listing("items", vec![json!("x".repeat(7_000))]).told();
        assert_eq!(serde_json::from_str::<Value>(&huge).expect("JSON")["items"], json!([]));
    }
}
