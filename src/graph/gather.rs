//! The fields that a selection comes to, as the specification gathers them (6.3.2, CollectFields): by the names that they have in the
//! answer, fragments unpacked, and without what is skipped. Must not judge what it finds.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, Positioned, Variables,
    parser::types::{Directive, ExecutableDocument, Field, Selection, SelectionSet},
};

use crate::graph::{check, rules::Rules};

/// Fields that are one in the answer: its name, and each time that it is selected.
pub(super) type Group<'d> = (&'d str, Vec<&'d Positioned<Field>>);

/// Where fields are gathered: a document whose fragments end, and variables that have their defaults.
#[derive(Clone, Copy)]
pub(super) struct Gather<'d> {
    pub(super) rules: &'d Rules,
    pub(super) document: &'d ExecutableDocument,
    pub(super) variables: &'d Variables,
}

impl<'d> Gather<'d> {
    /// All fields of an object's type, in the order in which their names are met first; of a type without a name, whatever their
    /// fragments are of.
    pub(super) fn fields(&self, kind: &str, sets: &[&'d Positioned<SelectionSet>]) -> Vec<Group<'d>> {
        let mut gathered = Gathered::default();
        for set in sets {
            self.add(kind, &set.node, &mut gathered);
        }
        gathered.groups
    }

    fn add(&self, kind: &str, set: &'d SelectionSet, gathered: &mut Gathered<'d>) {
        let is_of = |on: &Name| self.is_of(kind, on);
        for item in &set.items {
            match &item.node {
                Selection::Field(field) if !self.is_skipped(&field.node.directives) => gathered.push(field),
                Selection::InlineFragment(inline)
                    if !self.is_skipped(&inline.node.directives)
                        && inline.node.type_condition.as_ref().is_none_or(|on| is_of(&on.node.on.node)) =>
                {
                    self.add(kind, &inline.node.selection_set.node, gathered);
                }
                Selection::FragmentSpread(spread) if !self.is_skipped(&spread.node.directives) => {
                    let name = &spread.node.fragment_name.node;
                    // A valid document has it. What was gathered from it before is not gathered again.
                    if let Some(fragment) = self.document.fragments.get(name)
                        && gathered.fragments.insert(name)
                        && is_of(&fragment.node.type_condition.node.on.node)
                    {
                        self.add(kind, &fragment.node.selection_set.node, gathered);
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether what is of a kind is of another type too. Of the types of introspection no rule is known; they are objects' all.
    fn is_of(&self, kind: &str, on: &Name) -> bool {
        kind.is_empty()
            || kind == on.as_str()
            || self.rules.kinds(on).is_some_and(|kinds| kinds.iter().any(|known| known == kind))
    }

    fn is_skipped(&self, directives: &[Positioned<Directive>]) -> bool {
        check::is_skipped(directives, self.variables)
    }
}

/// What was gathered of a selection so far.
#[derive(Default)]
struct Gathered<'d> {
    groups: Vec<Group<'d>>,
    /// Where the group of a name is.
    places: HashMap<&'d str, usize>,
    fragments: HashSet<&'d Name>,
}

impl<'d> Gathered<'d> {
    fn push(&mut self, field: &'d Positioned<Field>) {
        let name = field.node.response_key().node.as_str();
        let at = *self.places.entry(name).or_insert(self.groups.len());
        match self.groups.get_mut(at) {
            Some((_, fields)) => fields.push(field),
            None => self.groups.push((name, vec![field])),
        }
    }
}
