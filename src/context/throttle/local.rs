//! Counts in this process's memory, over the injected clock. Bounded: who has caught up is forgotten, and who is furthest behind
//! is remembered longest.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use super::{Draw, Wait};
use crate::kernel::clock::Clock;

/// Keys that are remembered at the most. Each is some tens of bytes.
const KEYS_MAX: usize = 20_000;

/// What is counted, and whose.
type Key = (&'static str, String);

/// Remembers for each key when it will have caught up, in microseconds since the epoch.
pub(super) struct Local {
    clock: Clock,
    caught_up: Mutex<HashMap<Key, i64>>,
}

impl Local {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, caught_up: Mutex::default() }
    }

    /// Counts all, or says which one has to wait, and counts none.
    pub(super) fn take(&self, draws: &[Draw]) -> Option<Wait> {
        let now = self.clock.now().timestamp_micros();
        let mut caught_up = self.caught_up.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = |at: Option<&i64>| at.map_or(0, |at| (at - now).max(0));
        let keys: Vec<Key> = draws.iter().map(|draw| (draw.what, draw.whose.clone())).collect();
        let waits = draws.iter().zip(&keys).enumerate().filter_map(|(place, (draw, key))| {
            let micros = behind(caught_up.get(key)) - draw.rate.slack();
            (micros > 0).then_some(Wait { place, micros })
        });
        if let Some(longest) = waits.max_by_key(|wait| wait.micros) {
            return Some(longest);
        }
        if caught_up.len() + keys.len() > KEYS_MAX {
            make_room(&mut caught_up, now);
        }
        for (draw, key) in draws.iter().zip(keys) {
            let at = now + behind(caught_up.get(&key)) + draw.rate.step() * i64::from(draw.amount);
            caught_up.insert(key, at);
        }
        None
    }

    pub(super) fn forgive(&self, draws: &[Draw]) {
        let mut caught_up = self.caught_up.lock().unwrap_or_else(PoisonError::into_inner);
        for draw in draws {
            if let Some(at) = caught_up.get_mut(&(draw.what, draw.whose.clone())) {
                *at -= draw.rate.step() * i64::from(draw.amount);
            }
        }
    }
}

/// Forgets who has caught up; where that is not enough, the half that would catch up first.
fn make_room(caught_up: &mut HashMap<Key, i64>, now: i64) {
    caught_up.retain(|_, at| *at > now);
    if caught_up.len() > KEYS_MAX / 2 {
        let mut ends: Vec<_> = caught_up.values().copied().collect();
        let (_, median, _) = ends.select_nth_unstable(caught_up.len() / 2);
        let median = *median;
        caught_up.retain(|_, at| *at > median);
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::{
        super::{Rate, Throttle},
        *,
    };

    const RATE: Rate = Rate { burst: 3, per_minute: 12 };

    fn throttle() -> (Throttle, Clock) {
        let clock = Clock::held(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
        (Throttle::new(clock.clone(), None).unwrap(), clock)
    }

    async fn take(throttle: &Throttle, what: &'static str, whose: &str) -> Option<u32> {
        let refused = throttle.take(&[Draw::one(what, whose, RATE)]).await.err();
        refused.map(|(_, refusal)| refusal.retry_after.unwrap())
    }

    #[tokio::test]
    async fn a_burst_then_one_every_five_seconds_each_for_themselves() {
        let (throttle, clock) = throttle();
        for _ in 0..3 {
            assert_eq!(take(&throttle, "x", "ann").await, None);
        }
        let (what, refused) = throttle.take(&[Draw::one("x", "ann", RATE)]).await.unwrap_err();
        assert_eq!((what, refused.code.as_str(), refused.retry_after), ("x", "RATE_LIMITED", Some(5)));
        assert_eq!(refused.message, "Too much at once (x). Try again in 5 s.");
        assert_eq!(take(&throttle, "x", "bob").await, None);
        assert_eq!(take(&throttle, "y", "ann").await, None);
        clock.advance(TimeDelta::milliseconds(4_100));
        assert_eq!(take(&throttle, "x", "ann").await, Some(1));
        clock.advance(TimeDelta::milliseconds(900));
        assert_eq!(take(&throttle, "x", "ann").await, None);
        assert!(take(&throttle, "x", "ann").await.is_some());
        // After a rest the whole burst is there again, and no more than that.
        clock.advance(TimeDelta::hours(1));
        for _ in 0..3 {
            assert_eq!(take(&throttle, "x", "ann").await, None);
        }
        assert!(take(&throttle, "x", "ann").await.is_some());
    }

    #[tokio::test]
    async fn of_several_counts_all_or_none_are_counted() {
        let (throttle, _) = throttle();
        for _ in 0..3 {
            assert_eq!(take(&throttle, "x", "ann").await, None);
        }
        for _ in 0..9 {
            let both = [Draw::one("y", "acme", RATE), Draw::one("x", "ann", RATE)];
            assert_eq!(throttle.take(&both).await.unwrap_err().0, "x");
        }
        for _ in 0..3 {
            assert_eq!(take(&throttle, "y", "acme").await, None, "nothing of it was counted at acme");
        }
    }

    #[tokio::test]
    async fn one_that_is_dear_is_let_through_once_and_paid_for_after() {
        let (throttle, clock) = throttle();
        let dear = [Draw { amount: 10, ..Draw::one("cost", "ann", RATE) }];
        assert!(throttle.take(&dear).await.is_ok());
        assert_eq!(throttle.take(&dear).await.unwrap_err().1.retry_after, Some(40));
        clock.advance(TimeDelta::seconds(40));
        assert!(throttle.take(&dear).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_forgiven_was_never_counted() {
        let (throttle, _) = throttle();
        for _ in 0..30 {
            assert_eq!(take(&throttle, "x", "ann").await, None);
            throttle.forgive(&[Draw::one("x", "ann", RATE)]).await;
        }
        for _ in 0..3 {
            assert_eq!(take(&throttle, "x", "ann").await, None);
        }
        assert!(take(&throttle, "x", "ann").await.is_some());
    }

    #[tokio::test]
    async fn memory_is_bounded_and_the_one_who_floods_is_remembered() {
        let (throttle, _) = throttle();
        for _ in 0..3 {
            assert_eq!(take(&throttle, "x", "flood").await, None);
        }
        for number in 0..3 * KEYS_MAX {
            assert_eq!(take(&throttle, "x", &number.to_string()).await, None);
        }
        assert!(throttle.local.caught_up.lock().unwrap().len() <= KEYS_MAX);
        assert!(take(&throttle, "x", "flood").await.is_some());
    }
}
