//! Time as an argument. Everything that asks "what time is it?" asks a [`Clock`], so that tests hold it still.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, TimeDelta, Utc};

/// Tells the time; cheap to clone.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    /// Microseconds since the epoch, moved by hand.
    Held(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still at `at` until [`Clock::advance`] moves it.
    #[must_use]
    pub fn held(at: DateTime<Utc>) -> Self {
        Self(Source::Held(Arc::new(AtomicI64::new(at.timestamp_micros()))))
    }

    /// Now, cut to microseconds, which is what PostgreSQL keeps: a time read back equals the time written.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let micros = match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
            Source::System => Utc::now().timestamp_micros(),
            Source::Held(at) => at.load(Ordering::SeqCst),
        };
        DateTime::from_timestamp_micros(micros).unwrap_or_default()
    }

    /// Moves a held clock forward; the system's clock is left alone.
    pub fn advance(&self, by: TimeDelta) {
        if let Source::Held(at) = &self.0 {
            at.fetch_add(by.num_microseconds().unwrap_or(0), Ordering::SeqCst);
        }
    }
}
