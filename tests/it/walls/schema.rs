//! `schema.graphql` and the code say the same, everything in it is described, and the contract's names are kept.

use std::{collections::BTreeSet, path::Path};

use async_graphql::parser::{
    parse_schema,
    types::{TypeKind, TypeSystemDefinition},
};

use super::direction::files;

#[test]
fn the_printed_schema_is_the_committed_one() {
    let printed = frontdesk::graph::sdl();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write("schema.graphql", &printed).expect("written");
    }
    let committed = std::fs::read_to_string("schema.graphql").expect("schema.graphql");
    assert!(printed == committed, "schema.graphql is behind the code; run `make schema` and look at the difference");
}

#[test]
fn every_type_field_argument_and_value_is_described() {
    let document = parse_schema(frontdesk::graph::sdl()).expect("readable");
    let mut bare = Vec::new();
    for definition in document.definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let name = definition.node.name.node.to_string();
        if definition.node.description.is_none() {
            bare.push(name.clone());
        }
        match definition.node.kind {
            TypeKind::Object(_) | TypeKind::Interface(_) => {
                let fields = match definition.node.kind {
                    TypeKind::Object(object) => object.fields,
                    TypeKind::Interface(interface) => interface.fields,
                    _ => Vec::new(),
                };
                for field in fields {
                    let name = format!("{name}.{}", field.node.name.node);
                    if field.node.description.is_none() {
                        bare.push(name.clone());
                    }
                    for argument in field.node.arguments {
                        if argument.node.description.is_none() {
                            bare.push(format!("{name}({}:)", argument.node.name.node));
                        }
                    }
                }
            }
            TypeKind::Enum(words) => {
                for word in words.values {
                    if word.node.description.is_none() {
                        bare.push(format!("{name}.{}", word.node.value.node));
                    }
                }
            }
            TypeKind::InputObject(input) => {
                for field in input.fields {
                    if field.node.description.is_none() {
                        bare.push(format!("{name}.{}", field.node.name.node));
                    }
                }
            }
            _ => {}
        }
    }
    assert!(bare.is_empty(), "without a description: {bare:#?}");
}

#[test]
fn every_family_of_the_audit_logs_actions_is_named_where_it_is_described() {
    let mut sources = Vec::new();
    files(Path::new("src"), &mut sources);
    // These are chosen from lists of their own: `src/tools/mod.rs`, `src/graph/serve.rs`.
    let mut written = BTreeSet::from(["tool", "impersonation"]);
    for (_, text) in &sources {
        let entries = ["(tx, \"", "(editor, \""].iter().flat_map(|begin| text.split(begin).skip(1));
        let actions = entries.filter_map(|rest| rest.split('"').next());
        written.extend(actions.filter_map(|action| Some(action.split_once('.')?.0)));
    }
    assert!(written.contains("lead") && written.contains("prompt"), "entries are found: {written:?}");
    let sdl = frontdesk::graph::sdl();
    let (_, entry) = sdl.split_once("\ntype AuditEntry ").expect("the type");
    let (description, _) = entry.split_once("  action: String!").expect("the field");
    let words = description.split('`').skip(1).step_by(2).filter(|word| !word.contains('.') && *word != "detail");
    assert_eq!(words.collect::<BTreeSet<_>>(), written);
}
