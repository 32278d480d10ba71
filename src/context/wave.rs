//! Keeps the fields of one level of an answer together, so that the next level's keys are noted together too and become one
//! batch. Without it, whoever is woken first sets out alone. Must not know what is loaded.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// Everybody who waits for rows in one operation.
#[derive(Clone, Default)]
pub(super) struct Wave(Arc<State>);

#[derive(Default)]
struct State {
    out: AtomicUsize,
    /// All who ever joined.
    joined: AtomicUsize,
    /// Somebody looks around for others.
    is_gathering: AtomicBool,
    gathered: Notify,
    landed: Notify,
}

impl Wave {
    /// Joins the wave that is out.
    pub(super) fn join(&self) -> Rider {
        self.0.out.fetch_add(1, Ordering::SeqCst);
        self.0.joined.fetch_add(1, Ordering::SeqCst);
        Rider(self.clone())
    }

    /// Lets the others come, until a moment passes in which nobody does. Of many fields that go on at once, some are polled only
    /// after the first has been polled again. The first looks around, and the others wait for its word.
    pub(super) async fn gather(&self) {
        let told = self.0.gathered.notified();
        if self.0.is_gathering.swap(true, Ordering::SeqCst) {
            return told.await;
        }
        let _word = Word(self);
        let mut joined = self.0.joined.load(Ordering::SeqCst);
        loop {
            tokio::task::yield_now().await;
            let now = self.0.joined.load(Ordering::SeqCst);
            if now == joined {
                return;
            }
            joined = now;
        }
    }
}

/// Tells those who wait that all have come; also when whoever looked around has left.
struct Word<'w>(&'w Wave);

impl Drop for Word<'_> {
    fn drop(&mut self) {
        self.0.0.is_gathering.store(false, Ordering::SeqCst);
        self.0.0.gathered.notify_waiters();
    }
}

/// Somebody who waits for rows. Whoever gives up leaves the wave, so that nobody waits for them.
pub(super) struct Rider(Wave);

impl Rider {
    /// Waits until all who are out have what they went for. All go on in the same moment.
    pub(super) async fn land(self) {
        let wave = self.0.clone();
        let landed = wave.0.landed.notified();
        drop(self);
        if wave.0.out.load(Ordering::SeqCst) > 0 {
            // Told once, when nobody was out. To look again would be wrong: the next wave may be out by then.
            landed.await;
        }
    }
}

impl Drop for Rider {
    fn drop(&mut self) {
        if self.0.0.out.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.0.landed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_comes_late_is_waited_for() {
        let wave = Wave::default();
        let _first = wave.join();
        let mut first = Box::pin(wave.gather());
        assert!(futures_util::poll!(&mut first).is_pending());
        let _second = wave.join();
        let mut second = Box::pin(wave.gather());
        assert!(futures_util::poll!(&mut second).is_pending());
        assert!(futures_util::poll!(&mut first).is_pending(), "somebody came");
        assert!(futures_util::poll!(&mut second).is_pending());
        assert!(futures_util::poll!(&mut first).is_ready(), "nobody came");
        assert!(futures_util::poll!(&mut second).is_ready(), "told so");
        // Whoever looks around and leaves lets the others go on.
        let (mut leaves, mut stays) = (Box::pin(wave.gather()), Box::pin(wave.gather()));
        assert!(futures_util::poll!(&mut leaves).is_pending());
        assert!(futures_util::poll!(&mut stays).is_pending());
        drop(leaves);
        assert!(futures_util::poll!(&mut stays).is_ready());
    }

    #[tokio::test]
    async fn all_land_when_the_last_one_does_and_nobody_waits_for_those_who_left() {
        let wave = Wave::default();
        let (first, second, third) = (wave.join(), wave.join(), wave.join());
        let mut landing = Box::pin(first.land());
        assert!(futures_util::poll!(&mut landing).is_pending());
        drop(second);
        assert!(futures_util::poll!(&mut landing).is_pending());
        third.land().await;
        // The next wave is out already: the first one landed all the same.
        let _next = wave.join();
        assert!(futures_util::poll!(&mut landing).is_ready());
    }
}
