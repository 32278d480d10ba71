//! A conversation that is alive on this node, and the places of its watchers. Must not know how events travel.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use crate::{
    chat::{
        events::{Body, Cursor, Event},
        hub::log::Log,
    },
    kernel::ids::{ConversationId, MessageId, TenantId},
};

/// A conversation of a tenant. Holds the tenant, so that no id alone opens a stream.
pub(in crate::chat) type TopicKey = (TenantId, ConversationId);

pub(in crate::chat) struct Topic {
    pub(super) key: TopicKey,
    log: Mutex<Log>,
    /// Rings at each event; holds its place.
    bell: watch::Sender<Cursor>,
    /// What this node has to tell, until it is in the log.
    pub(super) outbox: Mutex<Outbox>,
    /// The link to the other nodes over which it was brought up to date; see `sync`. One at a time does that.
    pub(super) synced: tokio::sync::Mutex<Option<u64>>,
}

#[derive(Default)]
pub(super) struct Outbox {
    pub(super) waiting: Vec<Body>,
    /// Somebody empties it.
    pub(super) is_watched: bool,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds one of these; if it did, the data would still be whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Topic {
    pub(super) fn new(key: TopicKey, now: DateTime<Utc>) -> Self {
        let log = Log::new(key.1, now);
        Self {
            key,
            bell: watch::Sender::new(log.last),
            log: Mutex::new(log),
            outbox: Mutex::default(),
            synced: tokio::sync::Mutex::default(),
        }
    }

    /// Looks at the log, or changes it; watchers hear of what was added.
    pub(super) fn log<T>(&self, work: impl FnOnce(&mut Log) -> T) -> T {
        let mut log = lock(&self.log);
        let (last, edition) = (log.last, log.edition);
        let answer = work(&mut log);
        if log.last != last || log.edition != edition {
            // Rung under the lock, so that places come in order.
            self.bell.send_replace(log.last);
        }
        answer
    }

    pub(super) fn is_watched(&self) -> bool {
        self.bell.receiver_count() > 0
    }

    /// Watches from `after`, or from now on.
    pub(super) fn watch(self: Arc<Self>, after: Option<Cursor>) -> Watcher {
        let (last, edition, live) = self.log(|log| (log.last, log.edition, log.live()));
        // A cursor from the future (another node's clock) can only mean "everything you have is known".
        let place = after.map_or(last, |after| after.min(last));
        let live = live.filter(|_| place == last);
        Watcher { bell: self.bell.subscribe(), topic: self, place, edition, live }
    }
}

/// What a watcher reads.
pub(in crate::chat) enum Reading {
    /// The next events, in order.
    Events(Vec<Event>),
    /// Its place has been dropped: what happened since `lost` must be looked up, and the stream goes on behind `resumed`.
    Lapsed {
        /// Behind which events are missing.
        lost: Cursor,
        /// Where it goes on.
        resumed: Cursor,
        /// The reply that is being written there, and its text so far.
        live: Option<(MessageId, String)>,
    },
}

/// A place in a conversation's log.
pub(in crate::chat) struct Watcher {
    topic: Arc<Topic>,
    bell: watch::Receiver<Cursor>,
    place: Cursor,
    edition: u64,
    /// The reply that was being written at the place where it began, and its text.
    live: Option<(MessageId, String)>,
}

impl Watcher {
    /// The conversation that it watches.
    pub(in crate::chat) fn conversation(&self) -> ConversationId {
        self.topic.key.1
    }

    /// Behind which event it stands.
    pub(in crate::chat) fn place(&self) -> Cursor {
        self.place
    }

    /// The place of the newest event that `is_it`, as far as the log goes back. Deltas are not looked at.
    pub(in crate::chat) fn place_of(&self, is_it: impl Fn(&Body) -> bool) -> Option<Cursor> {
        lock(&self.topic.log).place_of(is_it)
    }

    /// What happened up to `place`, and not longer than `margin` before it, as far as the log goes back. Deltas are left out.
    pub(in crate::chat) fn before(&self, place: Cursor, margin: TimeDelta) -> Vec<Event> {
        let since = Cursor { millis: place.millis - margin.num_milliseconds(), number: 0 };
        lock(&self.topic.log).between(since, place)
    }

    /// The reply that was being written when it began to watch, for a watcher that has nothing of it yet. What came
    /// since is in the log behind its place.
    pub(in crate::chat) fn live(&self) -> Option<(MessageId, String)> {
        self.live.clone()
    }

    /// Waits for what comes next. May be dropped and called again: nothing is lost by it.
    pub(in crate::chat) async fn next(&mut self) -> Reading {
        loop {
            // Marked before the log is read: an event that comes in between rings again.
            self.bell.borrow_and_update();
            if let Some(reading) = self.read() {
                return reading;
            }
            if self.bell.changed().await.is_err() {
                // The topic holds the sender and we hold the topic.
                std::future::pending::<()>().await;
            }
        }
    }

    fn read(&mut self) -> Option<Reading> {
        let log = lock(&self.topic.log);
        if self.edition != log.edition || !log.reaches(self.place) {
            self.edition = log.edition;
            let lost = std::mem::replace(&mut self.place, log.last);
            return Some(Reading::Lapsed { lost, resumed: log.last, live: log.live() });
        }
        let events = log.behind(self.place);
        drop(log);
        self.place = events.last()?.cursor;
        Some(Reading::Events(events))
    }
}
