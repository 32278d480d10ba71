//! JSON whose shape nobody promises: read by path, where what is missing is null. Must not know what it says.

use serde_json::Value;

/// What is at a path such as `/data/payload/to/0` (RFC 6901); null where nothing is.
#[must_use]
pub fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    value.pointer(path).unwrap_or(&Value::Null)
}

/// The text at a path; `None` where there is none.
#[must_use]
pub fn text<'v>(value: &'v Value, path: &str) -> Option<&'v str> {
    at(value, path).as_str()
}
