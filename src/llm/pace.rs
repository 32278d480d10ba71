//! When a refused request is sent again. Sleep and chance come in from outside, so that a test waits for nothing.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use crate::{
    llm::{ModelError, failure::Again},
    tokens,
};

/// Tries after the first.
const RETRIES: u32 = 2;
/// Before the second try; doubled for each further one.
const FIRST: Duration = Duration::from_millis(500);
/// A provider that wants to be left alone for longer is not asked again.
const LONGEST: Duration = Duration::from_secs(20);

/// How waits pass, and where their jitter comes from.
#[derive(Clone)]
pub struct Pace {
    sleep: Arc<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>,
    chance: Arc<dyn Fn() -> f64 + Send + Sync>,
}

impl Pace {
    /// Waits by `sleep`, with jitter by `chance`, which gives numbers from 0 up to 1.
    pub fn new(
        sleep: impl Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync + 'static,
        chance: impl Fn() -> f64 + Send + Sync + 'static,
    ) -> Self {
        Self { sleep: Arc::new(sleep), chance: Arc::new(chance) }
    }

    /// Waits as the world does.
    #[must_use]
    pub fn real() -> Self {
        Self::new(|wait| Box::pin(tokio::time::sleep(wait)), tokens::chance)
    }

    /// Lets `wait` pass.
    pub(super) fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        (self.sleep)(wait)
    }

    /// How long to wait before the next try, after `tries` that failed, the last with `error`. `None` for no next try.
    /// Of many who were refused at once, no two come back at once: up to a quarter less by our own measure, up to a tenth
    /// more by the provider's.
    pub(super) fn before_next(&self, error: &ModelError, tries: u32) -> Option<Duration> {
        let chance = (self.chance)();
        match error.again {
            Again::Once if tries == 1 => Some(Duration::ZERO),
            Again::After(asked) if tries <= RETRIES => match asked {
                Some(asked) => (asked <= LONGEST).then(|| asked.mul_f64(1.0 + 0.1 * chance)),
                None => Some(FIRST.saturating_mul(2_u32.saturating_pow(tries - 1)).mul_f64(1.0 - 0.25 * chance)),
            },
            Again::Never | Again::Once | Again::After(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(chance: f64) -> Pace {
        Pace::new(|_| Box::pin(async {}), move || chance)
    }

    #[test]
    fn waits_grow_are_spread_and_end() {
        let error = ModelError::unreachable("");
        let waits =
            |chance| [1, 2, 3].map(|tries| pace(chance).before_next(&error, tries).map(|wait| wait.as_millis()));
        assert_eq!(waits(0.0), [Some(500), Some(1000), None]);
        assert_eq!(waits(1.0), [Some(375), Some(750), None]);
    }

    #[test]
    fn a_provider_is_left_alone_for_as_long_as_it_asks_unless_that_is_too_long() {
        let after = |seconds: &str| {
            ModelError::refused(429, &format!(r#"{{"error":{{"details":[{{"retryDelay":"{seconds}s"}}]}}}}"#), None)
        };
        assert_eq!(pace(0.0).before_next(&after("17"), 1), Some(Duration::from_secs(17)));
        assert_eq!(pace(1.0).before_next(&after("10"), 2), Some(Duration::from_secs(11)));
        assert_eq!(pace(0.0).before_next(&after("21"), 1), None);
    }

    #[test]
    fn what_is_garbled_cut_or_empty_is_asked_for_once_more_and_the_rest_not_at_all() {
        for failure in [ModelError::malformed(""), ModelError::cut(""), ModelError::empty("")] {
            assert_eq!([1, 2].map(|tries| pace(0.5).before_next(&failure, tries)), [Some(Duration::ZERO), None]);
        }
        assert_eq!(pace(0.5).before_next(&ModelError::late(""), 1), None);
    }

    #[test]
    fn chance_stays_between_nought_and_one() {
        let real = Pace::real();
        assert!((0..100).map(|_| (real.chance)()).all(|chance| (0.0..1.0).contains(&chance)));
    }
}
