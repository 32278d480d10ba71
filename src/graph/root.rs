//! The root of a subscription: one field, as the specification has it, however often and behind whatever fragments it is said. The
//! library runs a root's plain fields only, and each by itself, so they are brought together first. Must not know what a field means.

use std::collections::{BTreeSet, HashMap};

use async_graphql::{
    Name, Positioned,
    parser::types::{
        Directive, DocumentOperations, ExecutableDocument, Field, FragmentDefinition, OperationDefinition,
        OperationType, Selection, SelectionSet,
    },
};

/// What whoever asks for more is told.
pub(super) const ONE: &str = "A subscription has one field at its root. Ask for each by an operation of its own.";

type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

/// What the fields of a root are called in the answer, those left out that are skipped.
pub(super) fn names<'d>(
    set: &'d SelectionSet,
    fragments: &'d Fragments,
    is_skipped: &impl Fn(&[Positioned<Directive>]) -> bool,
) -> BTreeSet<&'d str> {
    let mut names = BTreeSet::new();
    for item in &set.items {
        match &item.node {
            Selection::Field(field) if !is_skipped(&field.node.directives) => {
                names.insert(field.node.response_key().node.as_str());
            }
            Selection::InlineFragment(inline) if !is_skipped(&inline.node.directives) => {
                names.extend(self::names(&inline.node.selection_set.node, fragments, is_skipped));
            }
            Selection::FragmentSpread(spread) if !is_skipped(&spread.node.directives) => {
                if let Some(fragment) = fragments.get(&spread.node.fragment_name.node) {
                    names.extend(self::names(&fragment.node.selection_set.node, fragments, is_skipped));
                }
            }
            _ => {}
        }
    }
    names
}

/// The document with the fields at the roots of its subscriptions brought together; none where they are. It is a valid one.
pub(super) fn in_place(document: &ExecutableDocument) -> Option<ExecutableDocument> {
    let is_split = |operation: &Positioned<OperationDefinition>| {
        operation.node.ty == OperationType::Subscription && !is_plain(&operation.node.selection_set.node)
    };
    if !document.operations.iter().any(|(_, operation)| is_split(operation)) {
        return None;
    }
    let mut document = document.clone();
    let ExecutableDocument { operations, fragments } = &mut document;
    let operations: Vec<_> = match operations {
        DocumentOperations::Single(operation) => vec![operation],
        DocumentOperations::Multiple(operations) => operations.values_mut().collect(),
    };
    for operation in operations.into_iter().filter(|operation| is_split(operation)) {
        let set = &mut operation.node.selection_set.node;
        let mut items = Vec::new();
        fields(set, fragments, &[], &mut items);
        set.items = items;
    }
    Some(document)
}

fn is_plain(set: &SelectionSet) -> bool {
    matches!(set.items.as_slice(), [item] if matches!(item.node, Selection::Field(_)))
}

/// The fields of a selection and of all fragments in it, each with the directives of what it stood in.
fn fields(
    set: &SelectionSet,
    fragments: &Fragments,
    around: &[Positioned<Directive>],
    into: &mut Vec<Positioned<Selection>>,
) {
    let within = |own: &[Positioned<Directive>]| [around, own].concat();
    for item in &set.items {
        match &item.node {
            Selection::Field(field) => {
                let mut field = field.clone();
                field.node.directives.extend_from_slice(around);
                // The same field once more: of a valid document with the same arguments.
                let same = into.iter_mut().find_map(|known| match &mut known.node {
                    Selection::Field(known) if is_same(&known.node, &field.node) => {
                        Some(&mut known.node.selection_set.node)
                    }
                    _ => None,
                });
                match same {
                    Some(known) => known.items.append(&mut field.node.selection_set.node.items),
                    None => into.push(Positioned::new(Selection::Field(field), item.pos)),
                }
            }
            Selection::InlineFragment(inline) => {
                fields(&inline.node.selection_set.node, fragments, &within(&inline.node.directives), into);
            }
            // A valid document has it, and it does not contain itself.
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = fragments.get(&spread.node.fragment_name.node) {
                    fields(&fragment.node.selection_set.node, fragments, &within(&spread.node.directives), into);
                }
            }
        }
    }
}

/// Two fields whose directives may come to different ends stay two.
fn is_same(one: &Field, other: &Field) -> bool {
    one.response_key().node == other.response_key().node && one.directives.is_empty() && other.directives.is_empty()
}
