//! The limits of a document. Each is checked before anything runs; the refusal names the limit and the value.

use std::collections::HashMap;

use async_graphql::Variables;
use async_graphql_value::ConstValue;

use crate::graph::scan;

/// How large and deep an operation may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Lexical tokens of the document.
    pub tokens: usize,
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

/// What variables take up, in bytes, each counted for every place of the document that names it.
pub(super) fn copied(document: &str, variables: &Variables) -> usize {
    let sizes: HashMap<_, _> = variables.iter().map(|(name, value)| (name.as_bytes(), size(value))).collect();
    let mut is_name = false;
    scan::tokens(document)
        .filter_map(|token| {
            let is_use = std::mem::replace(&mut is_name, token == b"$");
            sizes.get(token).filter(|_| is_use)
        })
        .fold(0, |sum, size| sum.saturating_add(*size))
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
