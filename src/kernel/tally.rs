//! How many somebody has of something that ends by itself: work in hand, streams that are open. Must not know what it is.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Counts by key. Whose count is zero is not kept.
pub struct Tally<K: Eq + Hash>(Mutex<HashMap<K, usize>>);

impl<K: Eq + Hash> Default for Tally<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash + Clone> Tally<K> {
    /// Counts one more for each of `keys`, until what is returned is dropped.
    pub fn hold(self: &Arc<Self>, keys: Vec<K>) -> Held<K> {
        self.add(&mut self.counts(), keys)
    }

    /// As [`Tally::hold`], where `judge` lets the counts be so. Nobody changes them in between.
    ///
    /// # Errors
    /// What `judge` says.
    pub fn hold_if<E>(
        self: &Arc<Self>,
        keys: Vec<K>,
        judge: impl FnOnce(&HashMap<K, usize>) -> Result<(), E>,
    ) -> Result<Held<K>, E> {
        let mut counts = self.counts();
        judge(&counts)?;
        Ok(self.add(&mut counts, keys))
    }

    /// Looks at the counts of one moment.
    pub fn look<T>(&self, at: impl FnOnce(&HashMap<K, usize>) -> T) -> T {
        at(&self.counts())
    }

    fn add(self: &Arc<Self>, counts: &mut HashMap<K, usize>, keys: Vec<K>) -> Held<K> {
        for key in &keys {
            *counts.entry(key.clone()).or_default() += 1;
        }
        Held { tally: self.clone(), keys }
    }
}

impl<K: Eq + Hash> Tally<K> {
    fn counts(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is counted; it counts no more however it ends, by a panic too.
pub struct Held<K: Eq + Hash> {
    tally: Arc<Tally<K>>,
    keys: Vec<K>,
}

impl<K: Eq + Hash> Drop for Held<K> {
    fn drop(&mut self) {
        let mut counts = self.tally.counts();
        for key in &self.keys {
            if let Some(count) = counts.get_mut(key) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    counts.remove(key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_counts_until_it_is_dropped_and_is_then_forgotten() {
        let tally: Arc<Tally<&str>> = Arc::default();
        let below_two = |counts: &HashMap<&str, usize>| if counts.get("a") < Some(&2) { Ok(()) } else { Err("two") };
        let first = tally.hold(vec!["a", "b"]);
        let second = tally.hold_if(vec!["a"], below_two).ok();
        assert_eq!(tally.hold_if(vec!["a"], below_two).err(), Some("two"));
        assert_eq!(tally.look(|counts| (counts.get("a").copied(), counts.get("b").copied())), (Some(2), Some(1)));
        drop((first, second));
        assert!(tally.look(HashMap::is_empty));
    }
}
