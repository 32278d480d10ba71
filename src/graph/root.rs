//! The root of a subscription: one field, as the specification has it, however often and behind whatever fragments it is said
//! (`merge.rs` makes it one). Must not know what a field means.

use std::collections::{BTreeSet, HashMap};

use async_graphql::{
    Name, Positioned,
    parser::types::{Directive, FragmentDefinition, Selection, SelectionSet},
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
