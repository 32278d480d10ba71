//! The limits of a document. Each is checked before anything runs; the refusal names the limit and the value.

/// How large and deep an operation may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Lexical tokens of the document.
    pub tokens: usize,
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
