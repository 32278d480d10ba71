//! How often somebody may do something: the generic cell rate algorithm over the injected clock. It counts in this process's
//! memory; [`Throttle::take`] is the one seam, for a count that several nodes share. Must not know what is counted.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::kernel::{clock::Clock, failure::Refusal};

/// Keys that are remembered at the most. Each is some tens of bytes.
const KEYS_MAX: usize = 20_000;

/// So many at once, and so many a minute in the long run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// At once, after a rest.
    pub burst: u32,
    /// A minute.
    pub per_minute: u32,
}

impl Rate {
    /// Microseconds that one of them takes in the long run.
    fn step(self) -> i64 {
        60_000_000 / i64::from(self.per_minute.max(1))
    }
}

/// What is counted, and whose.
type Key = (&'static str, String);

/// Remembers for each key when it will have caught up, in microseconds since the epoch.
pub struct Throttle {
    clock: Clock,
    caught_up: Mutex<HashMap<Key, i64>>,
}

impl Throttle {
    /// Nobody has done anything yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, caught_up: Mutex::default() }
    }

    /// Counts one `what` of `whose`.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the seconds to wait, and nothing counted.
    #[expect(clippy::unused_async, reason = "a count that nodes share is asked for over the network")]
    pub async fn take(&self, what: &'static str, whose: &str, rate: Rate) -> Result<(), Refusal> {
        let now = self.clock.now().timestamp_micros();
        let step = rate.step();
        let slack = step * i64::from(rate.burst.max(1) - 1);
        let mut caught_up = self.caught_up.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (what, whose.to_owned());
        let behind = caught_up.get(&key).map_or(0, |at| (at - now).max(0));
        if behind > slack {
            let seconds = u32::try_from((behind - slack + 999_999) / 1_000_000).unwrap_or(u32::MAX);
            return Err(Refusal::too_fast(format!("Too many at once. Try again in {seconds} s."), seconds));
        }
        if caught_up.len() >= KEYS_MAX {
            make_room(&mut caught_up, now);
        }
        caught_up.insert(key, now + behind + step);
        Ok(())
    }

    /// Takes back one that was counted: it is not of those that are to be few.
    pub fn forgive(&self, what: &'static str, whose: &str, rate: Rate) {
        let mut caught_up = self.caught_up.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = caught_up.get_mut(&(what, whose.to_owned())) {
            *at -= rate.step();
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

    use super::*;

    const RATE: Rate = Rate { burst: 3, per_minute: 12 };

    fn throttle() -> (Throttle, Clock) {
        let clock = Clock::held(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
        (Throttle::new(clock.clone()), clock)
    }

    #[tokio::test]
    async fn a_burst_then_one_every_five_seconds_each_for_themselves() {
        let (throttle, clock) = throttle();
        for _ in 0..3 {
            assert_eq!(throttle.take("x", "ann", RATE).await, Ok(()));
        }
        let refused = throttle.take("x", "ann", RATE).await.unwrap_err();
        assert_eq!((refused.code.as_str(), refused.retry_after), ("RATE_LIMITED", Some(5)));
        assert_eq!(throttle.take("x", "bob", RATE).await, Ok(()));
        assert_eq!(throttle.take("y", "ann", RATE).await, Ok(()));
        clock.advance(TimeDelta::milliseconds(4_100));
        assert_eq!(throttle.take("x", "ann", RATE).await.unwrap_err().retry_after, Some(1));
        clock.advance(TimeDelta::milliseconds(900));
        assert_eq!(throttle.take("x", "ann", RATE).await, Ok(()));
        assert!(throttle.take("x", "ann", RATE).await.is_err());
        // After a rest the whole burst is there again, and no more than that.
        clock.advance(TimeDelta::hours(1));
        for _ in 0..3 {
            assert_eq!(throttle.take("x", "ann", RATE).await, Ok(()));
        }
        assert!(throttle.take("x", "ann", RATE).await.is_err());
    }

    #[tokio::test]
    async fn what_is_forgiven_was_never_counted() {
        let (throttle, _) = throttle();
        for _ in 0..30 {
            assert_eq!(throttle.take("x", "ann", RATE).await, Ok(()));
            throttle.forgive("x", "ann", RATE);
        }
        for _ in 0..3 {
            assert_eq!(throttle.take("x", "ann", RATE).await, Ok(()));
        }
        assert!(throttle.take("x", "ann", RATE).await.is_err());
    }

    #[tokio::test]
    async fn memory_is_bounded_and_the_one_who_floods_is_remembered() {
        let (throttle, _) = throttle();
        for _ in 0..3 {
            assert_eq!(throttle.take("x", "flood", RATE).await, Ok(()));
        }
        for number in 0..3 * KEYS_MAX {
            assert_eq!(throttle.take("x", &number.to_string(), RATE).await, Ok(()));
        }
        assert!(throttle.caught_up.lock().unwrap().len() <= KEYS_MAX);
        assert!(throttle.take("x", "flood", RATE).await.is_err());
    }
}
