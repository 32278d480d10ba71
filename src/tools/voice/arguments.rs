//! What an assistant on the phone gives, made to fit our tools: its settings may add members of their own, and write a number
//! as text or a day in the caller's language. What can't be made to fit is left as it is, for the tool to say what is wrong.

use serde_json::{Map, Value};

use crate::{
    channels::{jackrabbit::Language, telnyx::calls::Asked},
    tools::Tool,
};

/// Days as callers and their assistants name them. Nothing but a day is one: March is no Tuesday.
const DAYS: &[(&str, &[&str])] = &[
    ("MONDAY", &["monday", "mondays", "mon", "lunes", "lun"]),
    ("TUESDAY", &["tuesday", "tuesdays", "tue", "tues", "martes", "mar"]),
    ("WEDNESDAY", &["wednesday", "wednesdays", "wed", "weds", "miércoles", "miercoles", "mié", "mie"]),
    ("THURSDAY", &["thursday", "thursdays", "thu", "thur", "thurs", "jueves", "jue"]),
    ("FRIDAY", &["friday", "fridays", "fri", "viernes", "vie"]),
    ("SATURDAY", &["saturday", "saturdays", "sat", "sábado", "sábados", "sabado", "sabados", "sáb", "sab"]),
    ("SUNDAY", &["sunday", "sundays", "sun", "domingo", "domingos", "dom"]),
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
        && let Some(age) = asked.get("age").filter(|age| !age.is_null() && age.as_str() != Some(""))
    {
        fitted.insert("age_months".to_owned(), months(age));
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
    let said = said.trim().trim_end_matches('.').to_lowercase();
    DAYS.iter().find(|(_, names)| names.contains(&said.as_str())).map(|(day, _)| *day)
}

/// An age as people say it, in months; what is none as text, which no tool takes for a number.
fn months(age: &Value) -> Value {
    let said = age.as_str().map_or_else(|| age.to_string(), |text| text.trim().to_lowercase());
    match counted(&said) {
        Some(months) => Value::from(months),
        None => Value::from(said),
    }
}

/// `4`, `3.5`, `4 years old`, `4-year-old`, `18 months`, `4 años`.
#[expect(clippy::cast_possible_truncation, reason = "an age of at most a hundred years")]
fn counted(said: &str) -> Option<i64> {
    let end = said.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(said.len());
    let (number, unit) = said.split_at(end);
    let unit = unit.trim_start_matches([' ', '-']);
    // Of two numbers, or a half, it can't be said which is meant how.
    let is_mixed =
        unit.contains(|c: char| c.is_ascii_digit()) || ["half", "medi"].iter().any(|half| unit.contains(half));
    let begins = |names: &[&str]| names.iter().any(|name| unit.starts_with(name));
    let of_one = match unit {
        _ if is_mixed => return None,
        _ if begins(&["month", "mo", "mes"]) => 1.0,
        _ if unit.is_empty() || begins(&["y", "año", "ano"]) => 12.0,
        _ => return None,
    };
    let months = number.parse::<f64>().ok()? * of_one;
    (0.0..=1_200.0).contains(&months).then(|| months.round() as i64)
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
        for (said, months) in
            [("4", 48), ("4 years", 48), ("4-year-old", 48), (" 4 Años ", 48), ("18 months", 18), ("9 meses", 9)]
        {
            assert_eq!(fits(Tool::GetClasses, &json!({ "age": said })), json!({ "age_months": months }), "{said}");
        }
        for none in [json!(null), json!("")] {
            assert_eq!(fits(Tool::GetClasses, &json!({ "age": none })), json!({}));
        }
        for (said, day) in [("Tues.", "TUESDAY"), ("martes", "TUESDAY"), ("Sundays", "SUNDAY"), ("MONDAY", "MONDAY")] {
            assert_eq!(fits(Tool::GetClasses, &json!({ "day": said })), json!({ "day": day }), "{said}");
        }
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
        for day in ["March 3", "Saturday or Sunday", "Monaco", "no"] {
            assert_eq!(fits(Tool::GetClasses, &json!({ "day": day })), json!({ "day": day }));
        }
        // Without its filter, every class would seem to fit.
        for age in ["four", "3 and a half", "3 years 6 months", "4 weeks", "200", "-1", "4.5.6"] {
            assert_eq!(fits(Tool::GetClasses, &json!({ "age": age })), json!({ "age_months": age }));
        }
        assert_eq!(fits(Tool::GetClasses, &json!({ "age": 200 })), json!({ "age_months": "200" }));
        assert_eq!(fits(Tool::GetClasses, &json!({ "age": [4] })), json!({ "age_months": "[4]" }));
    }
}
