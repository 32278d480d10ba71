//! What an assistant on the phone gives, made to fit our tools: its settings may add members of their own, and write a number
//! as text or a day in the caller's language. What can't be made to fit is left as it is, for the tool to say what is wrong.

use serde_json::{Map, Value};

use crate::{
    channels::{jackrabbit::Language, telnyx::calls::Asked},
    tools::Tool,
};

/// Days as callers and their assistants name them, by their first letters.
const DAYS: &[(&str, &str)] = &[
    ("mon", "MONDAY"),
    ("tue", "TUESDAY"),
    ("wed", "WEDNESDAY"),
    ("thu", "THURSDAY"),
    ("fri", "FRIDAY"),
    ("sat", "SATURDAY"),
    ("sun", "SUNDAY"),
    ("lun", "MONDAY"),
    ("mar", "TUESDAY"),
    ("mié", "WEDNESDAY"),
    ("mie", "WEDNESDAY"),
    ("jue", "THURSDAY"),
    ("vie", "FRIDAY"),
    ("sáb", "SATURDAY"),
    ("sab", "SATURDAY"),
    ("dom", "SUNDAY"),
];

/// The caller's language; English, unless Spanish is said.
#[must_use]
pub fn language(asked: &Asked) -> Language {
    let said = asked.get("language").and_then(Value::as_str).unwrap_or_default().trim().to_lowercase();
    if ["es", "spa"].iter().any(|start| said.starts_with(start)) { Language::Spanish } else { Language::English }
}

/// The caller's number, as the assistant's settings may give it (`{{telnyx_end_user_target}}` as a preset member, which no
/// model fills in). Only for calls of which we were not told who called.
pub(super) fn end_user(asked: &Asked) -> Option<&str> {
    asked.get("telnyx_end_user_target").and_then(Value::as_str)
}

/// The members that a tool takes, in the tool's order; others are left out.
pub(super) fn fitted(tool: Tool, asked: &Asked) -> Map<String, Value> {
    let declared = tool.declaration().parameters;
    let members = declared.get("properties").and_then(Value::as_object).into_iter().flatten();
    let mut fitted: Map<_, _> = members
        .filter_map(|(name, schema)| {
            let value = asked.get(name).map(|value| fit(name, schema, value))?;
            (!value.is_null()).then(|| (name.clone(), value))
        })
        .collect();
    // An age in years is what people say.
    if tool == Tool::GetClasses
        && !fitted.contains_key("age_months")
        && let Some(years) = asked.get("age").and_then(number)
    {
        fitted.insert("age_months".to_owned(), months(years));
    }
    fitted
}

fn fit(name: &str, schema: &Value, value: &Value) -> Value {
    let kind = schema.get("type").map(|kind| kind.get(0).unwrap_or(kind));
    let wants_number = kind.is_some_and(|kind| kind == "integer");
    match value {
        Value::String(text) if text.trim().is_empty() => Value::Null,
        Value::String(text) if wants_number => text.trim().parse::<i64>().map_or_else(|_| value.clone(), Value::from),
        Value::String(text) if name == "day" => day(text).map_or_else(|| value.clone(), Value::from),
        Value::String(_) if name == "language" => {
            let asked = Map::from_iter([(name.to_owned(), value.clone())]);
            (if language(&asked) == Language::Spanish { "es" } else { "en" }).into()
        }
        Value::String(text) => text.trim().into(),
        // A number that is a name, such as a class's.
        Value::Number(number) if !wants_number => number.to_string().into(),
        other => other.clone(),
    }
}

fn day(said: &str) -> Option<&'static str> {
    let said = said.trim().to_lowercase();
    DAYS.iter().find(|(start, _)| said.starts_with(start)).map(|(_, day)| *day)
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()).filter(|years: &f64| (0.0..=100.0).contains(years))
}

#[expect(clippy::cast_possible_truncation, reason = "an age of at most a hundred years")]
fn months(years: f64) -> Value {
    Value::from((years * 12.0).round() as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fits(tool: Tool, asked: &Value) -> Value {
        fitted(tool, asked.as_object().expect("an object")).into()
    }

    #[test]
    fn what_assistants_write_fits_the_tool() {
        let asked = json!({ "location": " Main ", "level": "", "age_months": "42", "day": "Sábado", "seats": 2, "language": "Spanish",
            "tenant_id": 7, "call_control_id": "v3:A" });
        let expected = json!({ "location": "Main", "age_months": 42, "day": "SATURDAY", "seats": 2, "language": "es" });
        assert_eq!(fits(Tool::GetClasses, &asked), expected);
        assert_eq!(fits(Tool::GetClasses, &json!({ "age": "3.5" })), json!({ "age_months": 42 }));
        assert_eq!(fits(Tool::GetClasses, &json!({ "age": 200 })), json!({}));
        assert_eq!(
            fits(Tool::SendRegistrationLink, &json!({ "class_id": 20_000_001 })),
            json!({ "class_id": "20000001" })
        );
    }

    #[test]
    fn what_does_not_fit_is_left_for_the_tool_to_refuse() {
        let odd = json!({ "day": "someday", "seats": "many", "level": ["x"] });
        assert_eq!(fits(Tool::GetClasses, &odd), odd.clone());
        assert_eq!(language(odd.as_object().expect("an object")), Language::English);
    }
}
