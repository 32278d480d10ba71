//! The root of a subscription: one field, as the specification has it, behind whatever fragments. The library runs a root's plain
//! fields only, so fragments there are put in place first. Must not know what a field means.

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned,
    parser::types::{
        Directive, DocumentOperations, ExecutableDocument, FragmentDefinition, OperationDefinition, OperationType,
        Selection, SelectionSet,
    },
};

type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

/// The document with the fragments at the roots of its subscriptions in place; none where there are none. It is a valid one.
pub(super) fn in_place(document: &ExecutableDocument) -> Option<ExecutableDocument> {
    let is_split = |operation: &Positioned<OperationDefinition>| {
        operation.node.ty == OperationType::Subscription && has_fragments(&operation.node.selection_set.node)
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

fn has_fragments(set: &SelectionSet) -> bool {
    set.items.iter().any(|item| !matches!(item.node, Selection::Field(_)))
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
                into.push(Positioned::new(Selection::Field(field), item.pos));
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
