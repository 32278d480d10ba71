//! What parts of a document add up to. Must not know what a field means.

use async_graphql::Pos;

use crate::graph::auth::Access;

/// What a selection adds up to.
#[derive(Debug, Clone, Default)]
pub(super) struct Sum {
    pub(super) size: usize,
    pub(super) cost: usize,
    pub(super) depth: usize,
    pub(super) roots: usize,
    /// Lists of the schema's own types inside each other.
    pub(super) circle: usize,
    pub(super) touched: Vec<(Access, String, Pos)>,
}

impl Sum {
    /// As a part behind `...`: one more place for whoever walks it.
    pub(super) fn spread(self) -> Self {
        Self { size: self.size.saturating_add(1), ..self }
    }

    /// As a part that is not executed. The validator walks it all the same, so its size stands.
    pub(super) fn skipped(self) -> Self {
        Self { size: self.size, depth: self.depth, ..Self::default() }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.size = self.size.saturating_add(other.size);
        self.cost = self.cost.saturating_add(other.cost);
        self.depth = self.depth.max(other.depth);
        self.roots = self.roots.saturating_add(other.roots);
        self.circle = self.circle.max(other.circle);
        for touched in &other.touched {
            // One mention of each field is enough, and keeps the list as short as the schema.
            if !self.touched.iter().any(|(_, name, _)| *name == touched.1) {
                self.touched.push(touched.clone());
            }
        }
    }
}
