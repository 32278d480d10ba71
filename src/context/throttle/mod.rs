//! How often somebody may do something: the generic cell rate algorithm. Nodes that share a Redis share their counts there;
//! a node that is alone, or whose Redis is away, counts in its own memory. Must not know what is counted.

mod local;
mod shared;

use secrecy::SecretString;

use crate::kernel::{clock::Clock, failure::Refusal};

use local::Local;
use shared::Shared;

/// So many at once, and so many a minute in the long run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// At once, after a rest.
    pub burst: u32,
    /// A minute.
    pub per_minute: u32,
}

impl Rate {
    /// As many at once as in ten seconds.
    #[must_use]
    pub fn steady(per_minute: u32) -> Self {
        Self { burst: (per_minute / 6).max(1), per_minute }
    }

    /// So many times less.
    #[must_use]
    pub fn part(self, times: u32) -> Self {
        Self { burst: (self.burst / times).max(1), per_minute: (self.per_minute / times).max(1) }
    }

    /// Microseconds that one of them takes in the long run.
    fn step(self) -> i64 {
        60_000_000 / i64::from(self.per_minute.max(1))
    }

    /// Microseconds that somebody may be ahead of that.
    fn slack(self) -> i64 {
        self.step() * i64::from(self.burst.max(1) - 1)
    }
}

/// Something that is counted.
#[derive(Debug, Clone)]
pub struct Draw {
    /// What it is, in the plural: refusals name it.
    pub what: &'static str,
    /// Whose.
    pub whose: String,
    /// How often they may.
    pub rate: Rate,
    /// How many at once. Who has not used up what may be done at once is let through whatever it is, and waits longer after it.
    pub amount: u32,
}

impl Draw {
    /// One `what` of `whose`.
    pub fn one(what: &'static str, whose: impl Into<String>, rate: Rate) -> Self {
        Self { what, whose: whose.into(), rate, amount: 1 }
    }
}

/// Which of several counts refuses, and for how long yet, in microseconds.
struct Wait {
    place: usize,
    micros: i64,
}

/// The counts.
pub struct Throttle {
    local: Local,
    shared: Option<Shared>,
}

impl Throttle {
    /// Nobody has done anything yet, as far as this node knows.
    ///
    /// # Errors
    /// For a Redis URL that can't be read. A Redis that can't be reached is no error.
    pub fn new(clock: Clock, redis: Option<&SecretString>) -> anyhow::Result<Self> {
        Ok(Self { local: Local::new(clock), shared: redis.map(Shared::new).transpose()? })
    }

    /// Counts all of `draws`, or none of them.
    ///
    /// # Errors
    /// Which of them is refused: `RATE_LIMITED` with the seconds to wait.
    pub(super) async fn take(&self, draws: &[Draw]) -> Result<(), (&'static str, Refusal)> {
        let shared = match &self.shared {
            Some(shared) => shared.take(draws).await,
            None => None,
        };
        let wait = shared.unwrap_or_else(|| self.local.take(draws));
        let Some((draw, wait)) = wait.and_then(|wait| Some((draws.get(wait.place)?, wait))) else { return Ok(()) };
        let seconds = u32::try_from(wait.micros.saturating_add(999_999) / 1_000_000).unwrap_or(u32::MAX).max(1);
        let message = format!("Too much at once ({}). Try again in {seconds} s.", draw.what);
        Err((draw.what, Refusal::too_fast(message, seconds)))
    }

    /// Takes back what was counted: it is not of those that are to be few.
    pub async fn forgive(&self, draws: &[Draw]) {
        if let Some(shared) = &self.shared
            && shared.forgive(draws).await
        {
            return;
        }
        self.local.forgive(draws);
    }
}
