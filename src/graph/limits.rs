//! The limits of a document. Each is checked before anything runs; the refusal names the limit and the value.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{
    Name, Positioned, Variables,
    parser::types::{Directive, ExecutableDocument, Selection, SelectionSet},
};
use async_graphql_value::{ConstValue, Value};

/// How large and deep an operation may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Lexical tokens of the document.
    pub tokens: usize,
    /// Bytes of all names together. A name that is unknown may be held against all that are known.
    pub names: usize,
    /// Bytes of variables, counted for each place that names one: the library copies a variable wherever it is used.
    pub copied: usize,
    /// Brackets inside brackets, before the document is parsed.
    pub nesting: usize,
    /// Fields inside fields.
    pub depth: usize,
    /// Lists of types inside lists of types, in introspection.
    pub circle: usize,
    /// Fields, counted once for each row that a list may give.
    pub cost: usize,
    /// Fields after all fragments are spread, over all operations of the document.
    pub size: usize,
    /// Fields of the root.
    pub root_fields: usize,
    /// Root fields of a mutation.
    pub mutations: usize,
    /// Aliases.
    pub aliases: usize,
    /// Directives.
    pub directives: usize,
    /// Errors that an answer lists.
    pub errors: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tokens: 4_000,
            names: 64 * 1024,
            copied: 16 * 1024 * 1024,
            nesting: 64,
            depth: 15,
            circle: 2,
            cost: 20_000,
            size: 4_000,
            root_fields: 30,
            mutations: 10,
            aliases: 50,
            directives: 50,
            errors: 20,
        }
    }
}

/// How often a document names each variable, wherever it does.
pub(super) type Uses = Arc<[(Name, usize)]>;

pub(super) fn uses(document: &ExecutableDocument) -> Uses {
    let mut uses = HashMap::new();
    for (_, operation) in document.operations.iter() {
        within_directives(&operation.node.directives, &mut uses);
        within_set(&operation.node.selection_set.node, &mut uses);
    }
    for fragment in document.fragments.values() {
        within_directives(&fragment.node.directives, &mut uses);
        within_set(&fragment.node.selection_set.node, &mut uses);
    }
    uses.into_iter().map(|(name, count)| (name.clone(), count)).collect()
}

fn within_set<'d>(set: &'d SelectionSet, uses: &mut HashMap<&'d Name, usize>) {
    for item in &set.items {
        match &item.node {
            Selection::Field(field) => {
                field.node.arguments.iter().for_each(|(_, value)| within_value(&value.node, uses));
                within_directives(&field.node.directives, uses);
                within_set(&field.node.selection_set.node, uses);
            }
            Selection::InlineFragment(inline) => {
                within_directives(&inline.node.directives, uses);
                within_set(&inline.node.selection_set.node, uses);
            }
            Selection::FragmentSpread(spread) => within_directives(&spread.node.directives, uses),
        }
    }
}

fn within_directives<'d>(directives: &'d [Positioned<Directive>], uses: &mut HashMap<&'d Name, usize>) {
    let arguments = directives.iter().flat_map(|directive| &directive.node.arguments);
    arguments.for_each(|(_, value)| within_value(&value.node, uses));
}

fn within_value<'d>(value: &'d Value, uses: &mut HashMap<&'d Name, usize>) {
    match value {
        Value::Variable(name) => *uses.entry(name).or_default() += 1,
        Value::List(items) => items.iter().for_each(|item| within_value(item, uses)),
        Value::Object(fields) => fields.values().for_each(|field| within_value(field, uses)),
        _ => {}
    }
}

/// What variables take up, in bytes, each counted for every place of the document that names it.
pub(super) fn copied(uses: &Uses, variables: &Variables) -> usize {
    let sizes = uses.iter().filter_map(|(name, count)| Some(size(variables.get(name)?).saturating_mul(*count)));
    sizes.fold(0, usize::saturating_add)
}

fn size(value: &ConstValue) -> usize {
    let held = match value {
        ConstValue::String(text) => text.len(),
        ConstValue::List(items) => items.iter().map(size).sum(),
        ConstValue::Object(fields) => fields.iter().map(|(name, value)| name.len() + size(value)).sum(),
        _ => 0,
    };
    size_of::<ConstValue>() + held
}
