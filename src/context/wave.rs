//! Keeps the fields of one level of an answer together, so that the next level's keys are noted together too and become one
//! batch. Without it, whoever is woken first sets out alone. Must not know what is loaded.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::Notify,
    task::{JoinError, JoinHandle},
};

use crate::kernel::task;

/// Everybody who waits for rows in one operation.
#[derive(Clone, Default)]
pub(super) struct Wave(Arc<State>);

#[derive(Default)]
struct State {
    out: AtomicUsize,
    /// All who ever joined.
    joined: AtomicUsize,
    /// Batches that ever set out.
    batches: AtomicUsize,
    /// Somebody looks around for others.
    is_gathering: AtomicBool,
    gathered: Notify,
    landed: Notify,
}

impl Wave {
    /// Says that a batch sets out, with the keys that were noted by now.
    pub(super) fn sets_out(&self) {
        self.0.batches.fetch_add(1, Ordering::SeqCst);
    }

    /// Joins the wave that is out.
    pub(super) fn join(&self) -> Rider {
        self.0.out.fetch_add(1, Ordering::SeqCst);
        self.0.joined.fetch_add(1, Ordering::SeqCst);
        Rider(self.clone())
    }

    /// Lets the others come, until a moment passes in which nobody does. Of many fields that go on at once, some are polled only
    /// after the first has been polled again. The first looks around, and the others wait for its word.
    async fn gather(&self) {
        let told = self.0.gathered.notified();
        if self.0.is_gathering.swap(true, Ordering::SeqCst) {
            return told.await;
        }
        let _word = Word(self);
        let mut joined = self.0.joined.load(Ordering::SeqCst);
        loop {
            // Over only once it was woken itself: another field of the same object may have this one polled before its time.
            FuturesUnordered::from_iter([tokio::task::yield_now()]).next().await;
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
    /// Waits for rows, together with all others who are out. Whoever comes to it first runs the batch for all.
    pub(super) async fn ride<T, L>(self, loading: L) -> Result<T, JoinError>
    where
        T: Send + 'static,
        L: Future<Output = T> + Send + 'static,
    {
        let wave = self.0.clone();
        // Not to be held up in the middle by tokio's sharing of time: a batch that has taken its keys sets out in the same moment.
        let loading = Box::pin(tokio::task::unconstrained(loading));
        let mut ride = Ride { loading: Some(loading), apart: None, wave: &wave };
        // Polled here first, which notes the key: all fields of one level do so in one go, since none of them gets past the yield
        // before the last has come to it. Only then does a batch set out.
        let loaded = if let Poll::Ready(loaded) = futures_util::poll!(&mut ride) {
            loaded
        } else {
            wave.gather().await;
            ride.await
        };
        self.land().await;
        loaded
    }

    /// Waits until all who are out have what they went for. All go on in the same moment.
    async fn land(self) {
        let wave = self.0.clone();
        let landed = wave.0.landed.notified();
        drop(self);
        if wave.0.out.load(Ordering::SeqCst) > 0 {
            // Told once, when nobody was out. To look again would be wrong: the next wave may be out by then.
            landed.await;
        }
    }
}

/// A wait for rows, in which a batch may be run for others too: then it goes on in a task of its own, since they would lose their keys
/// if whoever runs it gave up. Whoever is the only one out takes nothing from anybody.
struct Ride<'w, T, L> {
    loading: Option<Pin<Box<L>>>,
    apart: Option<JoinHandle<T>>,
    wave: &'w Wave,
}

impl<T, L> Future for Ride<'_, T, L>
where
    T: Send + 'static,
    L: Future<Output = T> + Send + 'static,
{
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { loading, apart, wave } = self.get_mut();
        if let Some(here) = loading {
            let before = wave.0.batches.load(Ordering::SeqCst);
            if let Poll::Ready(loaded) = here.as_mut().poll(cx) {
                return Poll::Ready(Ok(loaded));
            }
            let has_set_out = wave.0.batches.load(Ordering::SeqCst) != before;
            if has_set_out && wave.0.out.load(Ordering::SeqCst) > 1 {
                *apart = loading.take().map(task::spawn);
            }
        }
        apart.as_mut().map_or(Poll::Pending, |apart| Pin::new(apart).poll(cx))
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
    use tokio::task::yield_now;

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
        assert!(futures_util::poll!(&mut first).is_pending(), "polled again, but no moment has passed");
        yield_now().await;
        assert!(futures_util::poll!(&mut first).is_pending(), "somebody came");
        assert!(futures_util::poll!(&mut second).is_pending());
        yield_now().await;
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
    async fn a_batch_for_several_outlives_whoever_runs_it() {
        let wave = Wave::default();
        let (first, second) = (wave.join(), wave.join());
        let (go, gone) = tokio::sync::oneshot::channel();
        let (told, heard) = tokio::sync::oneshot::channel();
        let batch = wave.clone();
        let mut runs = Box::pin(first.ride(async move {
            batch.sets_out();
            let _ = gone.await;
            let _ = told.send("loaded");
        }));
        assert!(futures_util::poll!(&mut runs).is_pending());
        drop(runs);
        let _ = go.send(());
        assert_eq!(second.ride(heard).await.ok(), Some(Ok("loaded")));
    }

    #[tokio::test]
    async fn a_batch_for_one_ends_with_them() {
        let wave = Wave::default();
        let held = Arc::new(());
        let (batch, mine) = (wave.clone(), held.clone());
        let mut runs = Box::pin(wave.join().ride(async move {
            batch.sets_out();
            std::future::pending::<()>().await;
            drop(mine);
        }));
        assert!(futures_util::poll!(&mut runs).is_pending());
        assert_eq!(Arc::strong_count(&held), 2);
        drop(runs);
        assert_eq!(Arc::strong_count(&held), 1, "nobody asks for it any more");
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
