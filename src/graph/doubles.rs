//! Whether a document selects something twice under one name, so that it has to be brought together (`merge.rs`) before it runs.
//! Where it is not plain that it is selected once, it counts as twice. Must not look at values.

use std::collections::HashMap;

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};

use crate::graph::rules::{self, Rules};

/// For each name, the types on which it was selected.
type Seen<'d> = HashMap<&'d str, Vec<&'d str>>;

struct Walk<'d> {
    rules: &'d Rules,
    document: &'d ExecutableDocument,
}

/// Whether nothing is selected twice. Of a document whose size was looked at, and whose fragments end.
pub(super) fn are_none(document: &ExecutableDocument, rules: &Rules) -> bool {
    let walk = Walk { rules, document };
    document.operations.iter().all(|(_, operation)| {
        let operation = &operation.node;
        walk.gather(&operation.selection_set.node, rules::root(operation.ty), &mut Seen::new())
    })
}

impl<'d> Walk<'d> {
    fn gather(&self, set: &'d SelectionSet, parent: &'d str, seen: &mut Seen<'d>) -> bool {
        set.items.iter().all(|item| match &item.node {
            Selection::Field(field) => {
                let field = &field.node;
                let parents = seen.entry(field.response_key().node.as_str()).or_default();
                if parents.iter().any(|other| !self.are_apart(other, parent)) {
                    return false;
                }
                parents.push(parent);
                let gives = self.rules.field(parent, &field.name.node).map_or("", |rule| rule.gives.as_str());
                self.gather(&field.selection_set.node, gives, &mut Seen::new())
            }
            Selection::InlineFragment(inline) => {
                let on = inline.node.type_condition.as_ref().map(|condition| condition.node.on.node.as_str());
                self.gather(&inline.node.selection_set.node, on.unwrap_or(parent), seen)
            }
            Selection::FragmentSpread(spread) => {
                let Some(fragment) = self.document.fragments.get(&spread.node.fragment_name.node) else { return false };
                let on = fragment.node.type_condition.node.on.node.as_str();
                self.gather(&fragment.node.selection_set.node, on, seen)
            }
        })
    }

    /// Nothing is of two types that are both objects'.
    fn are_apart(&self, one: &str, other: &str) -> bool {
        one != other && self.rules.is_object(one) && self.rules.is_object(other)
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;
    use crate::graph::sdl;

    #[test]
    fn what_may_have_to_be_merged_is_found() {
        let rules = Rules::read(&sdl()).expect("rules");
        let is_straight = |document: &str| are_none(&parse_query(document).expect(document), &rules);
        for straight in [
            "{ me { id email } leads { nodes { id } edges { node { id } cursor } } }",
            "{ a: lead(id: 1) { id } b: lead(id: 2) { id name: id } }",
            "query A { me { id } } query B { me { id } }",
            "{ me { ...F } } fragment F on User { id }",
            "subscription { conversationEvents(conversationId: 1) { __typename ... on ReplyDelta { text } ... on ReplySnapshot { text } } }",
        ] {
            assert!(is_straight(straight), "{straight}");
        }
        for double in [
            "{ me { id id } }",
            "{ leads { nodes { id } } leads { nodes { name } } }",
            "{ me { ... { id } id } }",
            "{ me { id ...F } } fragment F on User { id }",
            "{ me { ...F ...F } } fragment F on User { id }",
            "subscription { conversationEvents(conversationId: 1) { cursor ... on ReplyDelta { cursor } } }",
            "{ me { ...Gone } }",
        ] {
            assert!(!is_straight(double), "{double}");
        }
    }
}
