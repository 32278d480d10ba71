//! What is selected several times under one name, brought together before it runs: the specification executes it once (6.3.2,
//! MergeSelectionSets), where the library executes each and merges what they gave. A write would be done twice, and of two lists
//! that were read one after the other rows would be mixed. What stands at a subscription's root is unpacked too, of which the
//! library runs plain fields only. Of an interface, what is selected of every kind comes first. Must not know what a field means.

use std::{
    collections::{HashMap, HashSet},
    ptr,
};

use async_graphql::{
    Name, Pos, Positioned, Variables,
    parser::types::{
        DocumentOperations, ExecutableDocument, Field, InlineFragment, OperationDefinition, OperationType, Selection,
        SelectionSet, TypeCondition,
    },
};
use async_graphql_value::Value;

use crate::graph::{
    check::{self, Rejection},
    doubles,
    gather::{Gather, Group},
    limits,
    rules::{self, Rules},
};

/// A document in which nothing is selected twice under one name.
pub(super) struct Merged {
    pub(super) document: ExecutableDocument,
    /// About how long its text would be.
    pub(super) bytes: usize,
}

/// About how long the text of a field is without what its arguments say, in bytes.
const FIELD: usize = 32;
/// Largest document of this kind, in bytes: an argument is copied to each place that its fragment is spread to.
const BYTES_MAX: usize = 2 << 20;
/// A field that everything has.
const TYPENAME: &str = "__typename";

struct Merge<'d> {
    gather: Gather<'d>,
    most: usize,
    fields: usize,
    bytes: usize,
}

/// The operation that is meant, with all that it selects brought together; `None` where nothing has to be. Of a valid document, and
/// variables that have their defaults.
///
/// # Errors
/// Two that are not one under the same name, and more than `most` fields.
pub(super) fn merged(
    document: &ExecutableDocument,
    name: Option<&str>,
    rules: &Rules,
    variables: &Variables,
    most: usize,
) -> Result<Option<Merged>, Rejection> {
    let operation = check::chosen(document, name)?;
    let is_open = operation.node.ty != OperationType::Subscription || is_plain(&operation.node.selection_set.node);
    if is_open && doubles::are_none(document, rules) {
        return Ok(None);
    }
    let gather = Gather { rules, document, variables };
    let mut merge = Merge { gather, most, fields: 0, bytes: 0 };
    let selection_set = merge.set(rules::root(operation.node.ty), &[&operation.node.selection_set])?;
    let bytes = merge.bytes;
    let merged = OperationDefinition { selection_set, ..operation.node.clone() };
    let merged = Positioned::new(merged, operation.pos);
    let mut document = ExecutableDocument {
        operations: match &document.operations {
            DocumentOperations::Single(_) => DocumentOperations::Single(merged),
            DocumentOperations::Multiple(all) => {
                let name = all.iter().find(|(_, known)| ptr::eq(*known, operation)).map(|(name, _)| name.clone());
                DocumentOperations::Multiple(name.map(|name| (name, merged)).into_iter().collect())
            }
        },
        fragments: HashMap::new(),
    };
    forget_unused(&mut document);
    Ok(Some(Merged { document, bytes }))
}

/// Whether a subscription's root is as the library runs it.
fn is_plain(set: &SelectionSet) -> bool {
    matches!(set.items.as_slice(), [item] if matches!(&item.node, Selection::Field(field) if field.node.directives.is_empty()))
}

/// Takes out definitions of variables that stood in what is gone: a document that is judged once more must use each.
fn forget_unused(document: &mut ExecutableDocument) {
    let uses = limits::uses(document);
    let operation = match &mut document.operations {
        DocumentOperations::Single(operation) => Some(operation),
        DocumentOperations::Multiple(all) => all.values_mut().next(),
    };
    if let Some(operation) = operation {
        let definitions = &mut operation.node.variable_definitions;
        definitions.retain(|known| uses.iter().any(|(name, _)| *name == known.node.name.node));
    }
}

impl<'d> Merge<'d> {
    /// What is selected of a `parent`, by all of `sets` together.
    fn set(
        &mut self,
        parent: &str,
        sets: &[&'d Positioned<SelectionSet>],
    ) -> Result<Positioned<SelectionSet>, Rejection> {
        let pos = sets.first().map(|set| set.pos).unwrap_or_default();
        let Gather { rules, .. } = self.gather;
        let mut items = Vec::new();
        match rules.kinds(parent) {
            None => self.write(parent, &self.gather.fields(parent, sets), &mut items)?,
            // Of whichever kind it turns out to be.
            Some(kinds) => {
                let of_kinds: Vec<_> =
                    kinds.iter().map(|kind| (kind.as_str(), self.gather.fields(kind, sets))).collect();
                let common = self.common(parent, &of_kinds);
                let is_common = |group: &Group<'_>| common.contains(group.0);
                if let Some((_, groups)) = of_kinds.first() {
                    let groups: Vec<_> = groups.iter().filter(|&group| is_common(group)).cloned().collect();
                    self.write(parent, &groups, &mut items)?;
                }
                for (kind, mut groups) in of_kinds {
                    groups.retain(|group| !is_common(group));
                    if !groups.is_empty() {
                        items.push(Positioned::new(Selection::InlineFragment(self.of_kind(kind, &groups, pos)?), pos));
                    }
                }
            }
        }
        Ok(Positioned::new(SelectionSet { items }, pos))
    }

    /// `... on kind`, and what is selected there.
    fn of_kind(&mut self, kind: &str, groups: &[Group<'d>], pos: Pos) -> Result<Positioned<InlineFragment>, Rejection> {
        let mut items = Vec::new();
        self.write(kind, groups, &mut items)?;
        let on = TypeCondition { on: Positioned::new(Name::new(kind), pos) };
        let fragment = InlineFragment {
            type_condition: Some(Positioned::new(on, pos)),
            directives: Vec::new(),
            selection_set: Positioned::new(SelectionSet { items }, pos),
        };
        Ok(Positioned::new(fragment, pos))
    }

    /// What is selected of all kinds alike, by a field that `parent` has: it can stand once.
    fn common(&self, parent: &str, of_kinds: &[(&str, Vec<Group<'d>>)]) -> HashSet<&'d str> {
        let mut alike: HashMap<&'d str, (&[&'d Positioned<Field>], usize)> = HashMap::new();
        for (name, fields) in of_kinds.iter().flat_map(|(_, groups)| groups) {
            let (first, count) = alike.entry(*name).or_insert((fields, 0));
            let is_alike =
                first.len() == fields.len() && first.iter().zip(fields).all(|(one, other)| ptr::eq(*one, *other));
            *count += usize::from(is_alike);
        }
        let is_known =
            |field: &Field| field.name.node == TYPENAME || self.gather.rules.field(parent, &field.name.node).is_some();
        let is_common = |fields: &[&'d Positioned<Field>], count| {
            count == of_kinds.len() && fields.first().is_some_and(|field| is_known(&field.node))
        };
        alike.into_iter().filter(|(_, (fields, count))| is_common(fields, *count)).map(|(name, _)| name).collect()
    }

    /// Writes each group as one field.
    fn write(
        &mut self,
        parent: &str,
        groups: &[Group<'d>],
        items: &mut Vec<Positioned<Selection>>,
    ) -> Result<(), Rejection> {
        for (name, fields) in groups {
            let Some((&first, others)) = fields.split_first() else { continue };
            if let Some(other) = others.iter().find(|other| !is_same(&first.node, &other.node)) {
                let message = format!(
                    "`{name}` is asked for twice, of two fields or with other arguments. Give one of them another name: \
                     `other: {}`.",
                    other.node.name.node
                );
                return Err(check::invalid(message, Some(other.pos)));
            }
            self.fields += 1;
            check::within("fields after spreading fragments", self.most, self.fields)?;
            self.bytes += FIELD + first.node.arguments.iter().map(|(_, value)| length(&value.node)).sum::<usize>();
            check::within("bytes after spreading fragments", BYTES_MAX, self.bytes)?;
            let gives = self.gather.rules.field(parent, &first.node.name.node).map_or("", |rule| rule.gives.as_str());
            let sets: Vec<_> = fields.iter().map(|field| &field.node.selection_set).collect();
            let field = Field {
                alias: first.node.alias.clone(),
                name: first.node.name.clone(),
                arguments: first.node.arguments.clone(),
                directives: Vec::new(),
                selection_set: self.set(gives, &sets)?,
            };
            items.push(Positioned::new(Selection::Field(Positioned::new(field, first.pos)), first.pos));
        }
        Ok(())
    }
}

/// About how long the text of a value is, in bytes.
fn length(value: &Value) -> usize {
    1 + match value {
        Value::String(text) => text.len(),
        Value::List(items) => items.iter().map(length).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + length(value)).sum(),
        Value::Variable(name) | Value::Enum(name) => name.len(),
        _ => 0,
    }
}

/// The same field with the same arguments, in whatever order they stand.
fn is_same(one: &Field, other: &Field) -> bool {
    one.name.node == other.name.node
        && one.arguments.len() == other.arguments.len()
        && one
            .arguments
            .iter()
            .all(|(name, value)| other.get_argument(&name.node).is_some_and(|argument| argument.node == value.node))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::graph::sdl;

    /// How what runs in place of a document reads, on one line; nothing where it runs as it stands.
    fn straight(document: &str) -> Result<Option<String>, String> {
        let rules = Rules::read(&sdl()).expect("rules");
        let parsed = async_graphql::parser::parse_query(document).expect(document);
        let variables = Variables::from_json(json!({ "yes": true, "no": false }));
        match merged(&parsed, None, &rules, &variables, 100) {
            Ok(None) => Ok(None),
            Ok(Some(merged)) => {
                assert!(doubles::are_none(&merged.document, &rules), "{document}");
                let (_, operation) = merged.document.operations.iter().next().expect("an operation");
                Ok(Some(written(&operation.node.selection_set.node)))
            }
            Err(rejection) => Err(rejection.error.message.clone()),
        }
    }

    fn written(set: &SelectionSet) -> String {
        let items = set.items.iter().map(|item| match &item.node {
            Selection::Field(field) => {
                let field = &field.node;
                let alias = field.alias.as_ref().map_or_else(String::new, |alias| format!("{}: ", alias.node));
                let arguments: Vec<_> =
                    field.arguments.iter().map(|(name, value)| format!("{}: {}", name.node, value.node)).collect();
                let arguments =
                    if arguments.is_empty() { String::new() } else { format!("({})", arguments.join(", ")) };
                let within = &field.selection_set.node;
                let within = if within.items.is_empty() { String::new() } else { format!(" {}", written(within)) };
                format!("{alias}{}{arguments}{within}", field.name.node)
            }
            Selection::InlineFragment(inline) => {
                let on = inline.node.type_condition.as_ref().expect("a kind");
                format!("... on {} {}", on.node.on.node, written(&inline.node.selection_set.node))
            }
            Selection::FragmentSpread(_) => panic!("all are spread"),
        });
        format!("{{ {} }}", items.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn what_is_selected_twice_is_selected_once() {
        for (document, expected) in [
            ("{ me { id } me { email id } }", "{ me { id email } }"),
            (
                "mutation { ...A ...B } fragment A on Mutation { startConversation(input: {}) { id } } \
                 fragment B on Mutation { startConversation(input: {}) { subject } }",
                "{ startConversation(input: {}) { id subject } }",
            ),
            (
                "{ ...A ...A leads(first: 5) { ...P totalCount nodes { name } } } \
                 fragment A on Query { leads(first: 5) { nodes { id } } } fragment P on LeadConnection { nodes { id email } }",
                "{ leads(first: 5) { nodes { id email name } totalCount } }",
            ),
            (
                "{ lead(id: 1) { name } a: lead(id: 2) { id } lead(id: 1) { id } }",
                "{ lead(id: 1) { name id } a: lead(id: 2) { id } }",
            ),
            // Directives are looked at.
            (
                "query($yes: Boolean!, $no: Boolean!) { me { id @include(if: $no) } me @skip(if: $no) { email } me @skip(if: $yes) { name } }",
                "{ me { email } }",
            ),
            // Nothing is twice in this one: it runs as it stands.
            ("{ node(id: 1) { id ... on Lead { name } } }", ""),
            ("{ node(id: 1) { id id ... on Lead { name } } }", "{ node(id: 1) { id ... on Lead { name } } }"),
            (
                "{ node(id: 1) { __typename ... on Lead { name id } ... on Lead { name } } }",
                "{ node(id: 1) { __typename ... on Lead { name id } } }",
            ),
            (
                "subscription { ...F } fragment F on Subscription { conversationEvents(conversationId: 1) { cursor } }",
                "{ conversationEvents(conversationId: 1) { cursor } }",
            ),
            (
                "{ __schema { types { name } types { ...K } } } fragment K on __Type { kind name }",
                "{ __schema { types { name kind } } }",
            ),
        ] {
            let found = straight(document).expect(document);
            assert_eq!(found.unwrap_or_default(), expected, "{document}");
        }
    }

    #[test]
    fn what_cannot_be_one_is_refused() {
        for document in [
            "{ lead(id: 1) { id } ...F } fragment F on Query { lead(id: 2) { name } }",
            "{ leads(first: 1) { nodes { id } } ... on Query { leads(last: 1) { nodes { name } } } }",
            "{ me { id: name ... on Node { id } } }",
            "{ me { id } ...F } fragment F on Query { me { id: email } }",
        ] {
            let refused = straight(document).expect_err(document);
            assert!(refused.contains("is asked for twice"), "{document}: {refused}");
        }
    }

    #[test]
    fn what_grows_too_large_is_refused() {
        let fields: Vec<_> = (0..20).map(|n| format!("a{n}: node(id: {n}) {{ id ... on Lead {{ id }} }}")).collect();
        let refused = straight(&format!("{{ {} }}", fields.join(" "))).expect_err("too large");
        assert!(refused.contains("the limit is 100"), "{refused}");
    }
}
