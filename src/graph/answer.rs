//! An answer as JSON (RFC 8259). What `plain.rs` wrote as text is passed on as it is: the library would read it once more to see that it
//! is JSON. Must not know who asked, nor over which transport.

use async_graphql::{Response, Value};
use serde::Serialize;

/// About how long errors and all that is around the data are, in bytes; a token's answer has little else.
const SHORT: usize = 256;
/// About how long a number is, in bytes.
const NUMBER: usize = 8;

/// Whether a response says that nothing was executed: errors, none of them at a field, and no data.
#[must_use]
pub fn is_request_error(response: &Response) -> bool {
    response.is_err() && response.data == Value::Null && response.errors.iter().all(|error| error.path.is_empty())
}

/// About how long an answer's body is, in bytes, so that little has to be moved while it is written.
#[must_use]
pub fn length(answer: &Response) -> usize {
    SHORT + value_length(&answer.data)
}

fn value_length(it: &Value) -> usize {
    match it {
        Value::Binary(text) => text.len(),
        Value::String(text) => text.len() + 2,
        Value::Enum(name) => name.len() + 2,
        Value::List(items) => items.iter().map(|item| value_length(item) + 1).sum(),
        Value::Object(fields) => fields.iter().map(|(name, field)| name.len() + 5 + value_length(field)).sum(),
        Value::Null | Value::Boolean(_) | Value::Number(_) => NUMBER,
    }
}

/// Writes an answer as the body of a response: without `data`, where nothing was executed.
pub fn write(answer: &Response, out: &mut Vec<u8>) {
    out.push(b'{');
    let is_executed = !is_request_error(answer);
    if !answer.errors.is_empty() {
        out.extend_from_slice(br#""errors":"#);
        json(&answer.errors, out);
        out.extend_from_slice(if is_executed { b"," } else { b"" });
    }
    if is_executed {
        out.extend_from_slice(br#""data":"#);
        value(&answer.data, out);
    }
    if !answer.extensions.is_empty() {
        out.extend_from_slice(br#","extensions":"#);
        json(&answer.extensions, out);
    }
    out.push(b'}');
}

/// A value of JSON that was written already. Nothing else of the graph is made of bytes.
pub(super) fn ready(text: Vec<u8>) -> Value {
    Value::Binary(text.into())
}

/// Writes a value.
pub(super) fn value(it: &Value, out: &mut Vec<u8>) {
    match it {
        Value::Binary(text) => out.extend_from_slice(text),
        Value::String(text) => quoted(text, out),
        Value::Enum(name) => named(name, out),
        Value::List(items) => {
            out.push(b'[');
            separated(items, out, value);
            out.push(b']');
        }
        Value::Object(fields) => {
            out.push(b'{');
            separated(fields, out, |(name, field), out| {
                named(name, out);
                out.push(b':');
                value(field, out);
            });
            out.push(b'}');
        }
        Value::Null | Value::Boolean(_) | Value::Number(_) => json(it, out),
    }
}

/// Writes each with a comma before it, but the first.
fn separated<T>(items: impl IntoIterator<Item = T>, out: &mut Vec<u8>, mut write: impl FnMut(T, &mut Vec<u8>)) {
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(item, out);
    }
}

/// Writes a text as a JSON string.
pub fn quoted(text: &str, out: &mut Vec<u8>) {
    // All bytes are looked at, though the first would do: without a way out, many are at a time.
    if text.bytes().fold(false, |so_far, byte| so_far | matches!(byte, ..b' ' | b'"' | b'\\')) {
        return json(text, out);
    }
    named(text, out);
}

/// Writes a name (section 2.1.9 of the specification of GraphQL), in which nothing has to be escaped, as a JSON string.
pub(super) fn named(name: &str, out: &mut Vec<u8>) {
    out.reserve(name.len() + 2);
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.push(b'"');
}

/// Writes anything else as JSON.
fn json<T: Serialize + ?Sized>(it: &T, out: &mut Vec<u8>) {
    // What the graph has to say is always JSON; and writing into memory can't fail.
    let _ = serde_json::to_writer(out, it);
}

#[cfg(test)]
mod tests {
    use async_graphql::{Name, PathSegment, Pos, ServerError, indexmap::IndexMap};
    use proptest::prelude::*;

    use super::*;

    fn written(answer: &Response) -> String {
        let mut out = Vec::new();
        write(answer, &mut out);
        String::from_utf8(out).expect("text")
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[A-Z]{1,9}".prop_map(|name| Value::Enum(Name::new(name))),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
                prop::collection::vec(("[_a-z]{1,9}", inner), 0..6).prop_map(|fields| {
                    Value::Object(fields.into_iter().map(|(name, value)| (Name::new(name), value)).collect())
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn an_answer_is_what_the_library_would_write(data in any_value()) {
            let answer = Response::new(data).extension("cost", Value::from(3));
            prop_assert_eq!(written(&answer), serde_json::to_string(&answer).expect("JSON"));
        }
    }

    #[test]
    fn what_is_text_already_is_passed_on() {
        let list = ready(br#"[{"id":"lead_1"}]"#.to_vec());
        let answer = Response::new(Value::Object(IndexMap::from_iter([(Name::new("nodes"), list)])));
        assert_eq!(written(&answer), r#"{"data":{"nodes":[{"id":"lead_1"}]}}"#);
    }

    #[test]
    fn where_nothing_was_executed_there_is_no_data() {
        let wrong = ServerError::new("No such \"field\".", Some(Pos { line: 1, column: 2 }));
        let refused = Response::from_errors(vec![wrong.clone()]);
        let said = r#"{"message":"No such \"field\".","locations":[{"line":1,"column":2}]}"#;
        assert_eq!(written(&refused), format!(r#"{{"errors":[{said}]}}"#));

        let failed = ServerError { path: vec![PathSegment::Field("lead".to_owned())], ..wrong };
        let failed = Response::from_errors(vec![failed]);
        assert_eq!(written(&failed), serde_json::to_string(&failed).expect("JSON"));
    }
}
