//! What the printed schema says about each field: its type, whether it is a list, who may touch it. Read from the SDL
//! once, at start. Must not hold anything that is not printed.

use std::collections::{HashMap, HashSet};

use anyhow::Context;
use async_graphql::parser::{
    parse_schema,
    types::{BaseType, FieldDefinition, OperationType, Type, TypeKind, TypeSystemDefinition},
};
use async_graphql_value::ConstValue;

use crate::graph::auth::Access;

/// The type whose fields are an operation's roots.
pub(super) fn root(of: OperationType) -> &'static str {
    match of {
        OperationType::Query => "Query",
        OperationType::Mutation => "Mutation",
        OperationType::Subscription => "Subscription",
    }
}

/// Every field of the schema, by type and name.
pub(super) struct Rules {
    fields: HashMap<String, HashMap<String, FieldRule>>,
    /// Those of inputs.
    inputs: HashMap<String, HashMap<String, Type>>,
    /// Scalars whose values are texts.
    texts: HashSet<String>,
    /// Values of enums.
    values: HashSet<String>,
    /// Types that are no interface, union or input.
    objects: HashSet<String>,
    /// Of interfaces and unions, the objects' types that are one.
    kinds: HashMap<String, Vec<String>>,
}

/// The specification's own scalars whose values are texts.
const TEXTS: &[&str] = &["String", "ID"];

/// One field.
pub(super) struct FieldRule {
    /// The name of the type that it gives.
    pub(super) gives: String,
    /// It gives a list that no argument sizes.
    pub(super) is_plain_list: bool,
    /// It is paged by `first` or `last`.
    pub(super) is_paged: bool,
    /// Who may touch it, where that is said.
    pub(super) access: Option<Access>,
}

impl Rules {
    pub(super) fn read(sdl: &str) -> anyhow::Result<Self> {
        let document = parse_schema(sdl).context("the printed schema can't be read")?;
        let (mut fields, mut inputs) = (HashMap::new(), HashMap::new());
        let mut texts: HashSet<String> = TEXTS.iter().map(|&name| name.to_owned()).collect();
        let (mut values, mut objects) = (HashSet::new(), HashSet::new());
        let mut kinds: HashMap<String, Vec<String>> = HashMap::new();
        for definition in document.definitions {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            let list = match definition.node.kind {
                TypeKind::Object(object) => {
                    let name = definition.node.name.node.to_string();
                    for interface in object.implements {
                        kinds.entry(interface.node.to_string()).or_default().push(name.clone());
                    }
                    objects.insert(name);
                    object.fields
                }
                TypeKind::Interface(interface) => interface.fields,
                TypeKind::InputObject(input) => {
                    let types =
                        input.fields.into_iter().map(|field| (field.node.name.node.to_string(), field.node.ty.node));
                    inputs.insert(definition.node.name.node.to_string(), types.collect());
                    continue;
                }
                // Ours are all written as texts; what they say is read where a field is resolved, and not before.
                TypeKind::Scalar => {
                    texts.insert(definition.node.name.node.to_string());
                    continue;
                }
                TypeKind::Enum(of) => {
                    values.extend(of.values.into_iter().map(|value| value.node.value.node.to_string()));
                    continue;
                }
                TypeKind::Union(of) => {
                    let members = of.members.into_iter().map(|member| member.node.to_string());
                    kinds.insert(definition.node.name.node.to_string(), members.collect());
                    continue;
                }
            };
            let rules = list.into_iter().map(|field| (field.node.name.node.to_string(), FieldRule::of(&field.node)));
            fields.insert(definition.node.name.node.to_string(), rules.collect());
        }
        Ok(Self { fields, inputs, texts, values, objects, kinds })
    }

    pub(super) fn field(&self, parent: &str, name: &str) -> Option<&FieldRule> {
        self.fields.get(parent)?.get(name)
    }

    /// The type of an input's field.
    pub(super) fn input(&self, input: &str, field: &str) -> Option<&Type> {
        self.inputs.get(input)?.get(field)
    }

    /// Whether it is a scalar of which a document's checks see only that a value is a text.
    pub(super) fn is_text(&self, scalar: &str) -> bool {
        self.texts.contains(scalar)
    }

    /// Whether it is how some enum writes one of its values.
    pub(super) fn is_enum_value(&self, text: &str) -> bool {
        self.values.contains(text)
    }

    /// Whether it is the name of an object's type.
    pub(super) fn is_object(&self, name: &str) -> bool {
        self.objects.contains(name)
    }

    /// The objects' types that an interface or a union may turn out to be; `None` of every other type.
    pub(super) fn kinds(&self, name: &str) -> Option<&[String]> {
        self.kinds.get(name).map(Vec::as_slice)
    }

    /// Root fields that say nothing of who may touch them; there may be none.
    pub(super) fn open_roots(&self) -> Vec<String> {
        let roots = ["Query", "Mutation", "Subscription"];
        let mut open: Vec<_> = roots
            .into_iter()
            .flat_map(|root| self.fields.get(root).into_iter().flatten().map(move |(name, rule)| (root, name, rule)))
            .filter(|(_, _, rule)| rule.access.is_none())
            .map(|(root, name, _)| format!("{root}.{name}"))
            .collect();
        open.sort();
        open
    }
}

impl FieldRule {
    fn of(field: &FieldDefinition) -> Self {
        let has = |argument: &str| field.arguments.iter().any(|known| known.node.name.node == argument);
        let access = field
            .directives
            .iter()
            .find(|directive| directive.node.name.node == "auth")
            .and_then(|directive| directive.node.get_argument("requires"))
            .and_then(|value| match &value.node {
                ConstValue::Enum(word) => Access::parse(word),
                _ => None,
            });
        let is_paged = has("first") || has("last");
        Self {
            gives: base(&field.ty.node).to_owned(),
            is_plain_list: !is_paged && matches!(field.ty.node.base, BaseType::List(_)),
            is_paged,
            access,
        }
    }
}

fn base(of: &Type) -> &str {
    match &of.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => base(inner),
    }
}
