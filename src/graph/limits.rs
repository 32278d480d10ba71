//! The limits of a document. Each is checked before anything runs; the refusal names the limit and the value.

use async_graphql::Variables;
use async_graphql_value::ConstValue;

/// How large and deep an operation may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Lexical tokens of the document.
    pub tokens: usize,
    /// Values in the operation's variables, those in lists and objects too. The library copies a variable for each of its uses.
    pub values: usize,
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
            values: 2_000,
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

/// How many values variables hold, each list and each object being one itself.
pub(super) fn values(variables: &Variables) -> usize {
    fn count(value: &ConstValue) -> usize {
        match value {
            ConstValue::List(items) => items.iter().map(count).sum::<usize>() + 1,
            ConstValue::Object(fields) => fields.values().map(count).sum::<usize>() + 1,
            _ => 1,
        }
    }
    variables.values().map(count).sum()
}
