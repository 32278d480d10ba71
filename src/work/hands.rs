//! How many jobs a node has in hand, and whose: so many in all, so many of one tenant. Must not know what they are about.

use std::sync::Arc;

use crate::{
    db::tables::jobs::Wish,
    kernel::{
        ids::TenantId,
        tally::{Held, Tally},
    },
};

/// A hand that is busy with a tenant's work.
pub(super) type Hand = Held<TenantId>;

/// Hands for one kind of work.
pub(super) struct Hands {
    answers: bool,
    /// In all.
    pub(super) slots: usize,
    /// Of one tenant.
    pub(super) each: usize,
    busy: Arc<Tally<TenantId>>,
}

impl Hands {
    /// For answers, or for all else.
    pub(super) fn new(answers: bool, (slots, each): (usize, usize)) -> Self {
        Self { answers, slots, each, busy: Arc::default() }
    }

    /// What may be taken now, at most `each` of one tenant; `None` when no hand is free.
    pub(super) fn wish(&self, each: usize) -> Option<Wish> {
        let (free, in_hand) = self.busy.look(|busy| {
            let free = self.slots.saturating_sub(busy.values().sum());
            (free, busy.iter().map(|(tenant, count)| (*tenant, signed(*count))).collect())
        });
        (free > 0).then(|| Wish { answers: self.answers, most: signed(free), each: signed(each), in_hand })
    }

    /// Takes one for a tenant's work, until it is dropped.
    pub(super) fn hold(&self, tenant: TenantId) -> Hand {
        self.busy.hold(vec![tenant])
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
