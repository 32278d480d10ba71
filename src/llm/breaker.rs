//! A circuit breaker: a provider that failed several times running is left out for a while, so that customers are not kept
//! waiting for it one by one. Must not know what is asked of whom.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::kernel::clock::Clock;

/// Failures running after which a provider is left out.
const FAILURES: u32 = 5;
/// Seconds for which it is.
const PAUSE: i64 = 20;

/// The breaker of one provider.
pub(super) struct Breaker {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failures: u32,
    out_until: Option<DateTime<Utc>>,
}

impl Breaker {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, state: Mutex::default() }
    }

    /// Whether the provider may be asked. After a pause one may try, and the others wait for what it finds.
    pub(super) fn admits(&self) -> bool {
        let now = self.clock.now();
        let mut state = self.state();
        match state.out_until {
            Some(until) if now < until => false,
            Some(_) => {
                state.out_until = Some(now + TimeDelta::seconds(PAUSE));
                true
            }
            None => true,
        }
    }

    /// The provider answered.
    pub(super) fn answered(&self) {
        *self.state() = State::default();
    }

    /// The provider failed.
    pub(super) fn failed(&self) {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            state.out_until = Some(self.clock.now() + TimeDelta::seconds(PAUSE));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_failures_running_one_a_pause_may_try_until_one_succeeds() {
        let clock = Clock::held(DateTime::default());
        let breaker = Breaker::new(clock.clone());
        for _ in 1..FAILURES {
            breaker.failed();
        }
        breaker.answered();
        for _ in 0..FAILURES {
            assert!(breaker.admits(), "not enough of them running");
            breaker.failed();
        }
        assert!(!breaker.admits());
        clock.advance(TimeDelta::seconds(PAUSE));
        assert!(breaker.admits(), "one may try");
        assert!(!breaker.admits(), "and no other");
        breaker.failed();
        clock.advance(TimeDelta::seconds(PAUSE - 1));
        assert!(!breaker.admits());
        clock.advance(TimeDelta::seconds(1));
        assert!(breaker.admits());
        breaker.answered();
        assert!(breaker.admits() && breaker.admits(), "all is well again");
    }
}
