//! How many jobs a node has in hand, and whose: so many in all, so many of one tenant. Must not know what they are about.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{db::tables::jobs::Wish, kernel::ids::TenantId};

/// Hands for one kind of work.
pub(super) struct Hands {
    answers: bool,
    /// In all.
    pub(super) slots: usize,
    /// Of one tenant.
    pub(super) each: usize,
    in_hand: Mutex<HashMap<TenantId, usize>>,
}

impl Hands {
    /// For answers, or for all else.
    pub(super) fn new(answers: bool, (slots, each): (usize, usize)) -> Arc<Self> {
        Arc::new(Self { answers, slots, each, in_hand: Mutex::default() })
    }

    /// What may be taken now, at most `each` of one tenant; `None` when no hand is free.
    pub(super) fn wish(&self, each: usize) -> Option<Wish> {
        let in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.slots.saturating_sub(in_hand.values().sum());
        let in_hand = in_hand.iter().map(|(tenant, count)| (*tenant, signed(*count))).collect();
        (free > 0).then(|| Wish { answers: self.answers, most: signed(free), each: signed(each), in_hand })
    }

    /// Takes one for a tenant's work, until it is dropped.
    pub(super) fn hold(self: &Arc<Self>, tenant: TenantId) -> Hand {
        *self.in_hand.lock().unwrap_or_else(PoisonError::into_inner).entry(tenant).or_default() += 1;
        Hand { hands: self.clone(), tenant }
    }
}

/// A hand that is busy; it is free again however the work ends, by a panic too.
pub(super) struct Hand {
    hands: Arc<Hands>,
    tenant: TenantId,
}

impl Drop for Hand {
    fn drop(&mut self) {
        let mut in_hand = self.hands.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = in_hand.get_mut(&self.tenant) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                in_hand.remove(&self.tenant);
            }
        }
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
