//! JSON schemas of arguments, as providers' strict modes take them: every member is required, and one that may be left out
//! may be null.

use serde_json::{Map, Value, json};

/// An object with exactly these members.
pub(super) fn object(members: &[(&str, Value)]) -> Value {
    let names: Vec<_> = members.iter().map(|(name, _)| *name).collect();
    let properties: Map<_, _> = members.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "properties": properties, "required": names, "additionalProperties": false })
}

/// A text.
pub(super) fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

/// A text, or null.
pub(super) fn optional_text(description: &str) -> Value {
    json!({ "type": ["string", "null"], "description": description })
}

/// A whole number, or null.
pub(super) fn optional_integer(description: &str) -> Value {
    json!({ "type": ["integer", "null"], "description": description })
}

/// One of some words, or null.
pub(super) fn optional_word(description: &str, words: &[&str]) -> Value {
    let mut values: Vec<_> = words.iter().map(|word| Value::from(*word)).collect();
    values.push(Value::Null);
    json!({ "type": ["string", "null"], "enum": values, "description": description })
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::tools::{
        Declaration, Tool, book_meeting, capture_lead, get_available_slots, get_classes, send_registration_link,
    };

    /// Names in a parser's complaint about a member that there is not.
    fn members<A: DeserializeOwned>() -> Vec<String> {
        let complaint = A::deserialize(&json!({ "no such": null })).err().expect("refused").to_string();
        let mut names: Vec<_> = complaint.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        assert_eq!(names.remove(0), "no such", "{complaint}");
        names.sort();
        names
    }

    /// The declared schema and the type that reads the arguments say the same.
    fn held_together<A: DeserializeOwned>(declaration: &Declaration) {
        let (name, schema) = (declaration.name, &declaration.parameters);
        assert_eq!((&schema["type"], &schema["additionalProperties"]), (&json!("object"), &json!(false)), "{name}");
        let properties = schema["properties"].as_object().expect("properties");
        let mut declared: Vec<_> = properties.keys().cloned().collect();
        declared.sort();
        assert_eq!(members::<A>(), declared, "{name}");
        let mut required: Vec<_> =
            schema["required"].as_array().expect("names").iter().map(|name| name.as_str().expect("a name")).collect();
        required.sort_unstable();
        assert_eq!(required, declared, "{name}");
        let example = |schema: &Value| {
            let kind = schema["type"].as_str().or(schema["type"][0].as_str()).expect("a type");
            match (kind, schema["enum"].get(0)) {
                (_, Some(word)) => word.clone(),
                ("string", None) => json!("2026-11-23T09:00:00Z"),
                ("integer", None) => json!(1),
                other => panic!("{other:?}"),
            }
        };
        let whole: Map<_, _> = properties.iter().map(|(name, schema)| (name.clone(), example(schema))).collect();
        assert!(A::deserialize(&Value::from(whole.clone())).is_ok(), "{name}: {whole:?}");
        for (member, schema) in properties {
            assert!(!schema["description"].as_str().unwrap_or_default().is_empty(), "{name}.{member}");
            let mut changed = whole.clone();
            changed.insert(member.clone(), Value::Null);
            let may_be_null = schema["type"].as_array().is_some_and(|types| types.contains(&json!("null")));
            assert_eq!(A::deserialize(&Value::from(changed.clone())).is_ok(), may_be_null, "{name}.{member}");
            changed.insert(member.clone(), json!([]));
            assert!(A::deserialize(&Value::from(changed)).is_err(), "{name}.{member} takes a list");
            for word in schema["enum"].as_array().into_iter().flatten() {
                let mut changed = whole.clone();
                changed.insert(member.clone(), word.clone());
                assert!(A::deserialize(&Value::from(changed)).is_ok(), "{name}.{member}: {word}");
            }
        }
    }

    #[test]
    fn what_is_declared_is_what_is_taken() {
        for tool in Tool::ALL {
            let declaration = tool.declaration();
            match tool {
                Tool::SendRegistrationLink => held_together::<send_registration_link::Arguments>(&declaration),
                Tool::GetClasses => held_together::<get_classes::Arguments>(&declaration),
                Tool::BookMeeting => held_together::<book_meeting::Arguments>(&declaration),
                Tool::GetAvailableSlots => held_together::<get_available_slots::Arguments>(&declaration),
                Tool::CaptureLead => held_together::<capture_lead::Arguments>(&declaration),
            }
            assert_eq!(Tool::named(declaration.name), Some(tool));
            assert_eq!(tool.action(), format!("tool.{}", declaration.name));
        }
        assert_eq!(Tool::named("drop_tables"), None);
    }
}
