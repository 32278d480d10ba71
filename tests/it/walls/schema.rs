//! `schema.graphql` and the code say the same, everything in it is described, and the contract's names are kept.

use async_graphql::parser::{
    parse_schema,
    types::{TypeKind, TypeSystemDefinition},
};

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
