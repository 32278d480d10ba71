//! Replay, then follow. Each conversation that is alive has one bounded log of events; a watcher is nothing but a place
//! in that log. So a slow watcher holds nobody up and costs no memory: when it comes back it reads on, in bigger bites,
//! and when its place has been dropped it is told so. In memory, for one node.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use crate::{
    chat::events::{Body, Cursor, Event},
    kernel::{
        clock::Clock,
        ids::{ConversationId, MessageId, TenantId},
    },
};

/// Events that a log keeps.
const KEPT_EVENTS: usize = 4_096;
/// Bytes that a log keeps, roughly.
const KEPT_BYTES: usize = 512 * 1024;
/// A watcher that is further behind than this gets deltas joined together.
const FAR_BEHIND: usize = 64;
/// How long a log outlives its last event and its last watcher, in minutes.
const KEPT_MINUTES: i64 = 10;

/// A conversation of a tenant. Holds the tenant, so that no id alone opens a stream.
pub(super) type TopicKey = (TenantId, ConversationId);

/// All live conversations of this node.
pub(super) struct Hub {
    topics: Mutex<HashMap<TopicKey, Arc<Topic>>>,
    clock: Clock,
}

pub(super) struct Topic {
    log: Mutex<Log>,
    /// Rings at each event; holds its place.
    bell: watch::Sender<Cursor>,
    /// Replies of one conversation are written one after the other.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
}

struct Log {
    conversation: ConversationId,
    events: VecDeque<Event>,
    bytes: usize,
    /// Everything behind this place is in `events`.
    floor: Cursor,
    last: Cursor,
    /// The reply that is being written, and its text so far.
    live: Option<(MessageId, String)>,
    touched: DateTime<Utc>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds one of these; if it did, the data would still be whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    pub(super) fn new(clock: Clock) -> Self {
        Self { topics: Mutex::new(HashMap::new()), clock }
    }

    pub(super) fn topic(&self, key: TopicKey) -> Arc<Topic> {
        let now = self.clock.now();
        lock(&self.topics).entry(key).or_insert_with(|| Arc::new(Topic::new(key.1, now))).clone()
    }

    pub(super) fn publish(&self, key: TopicKey, body: Body) {
        self.topic(key).publish(self.clock.now(), body);
    }

    /// Watches from `after`, or from now on.
    pub(super) fn watch(&self, key: TopicKey, after: Option<Cursor>) -> Watcher {
        let topic = self.topic(key);
        let (last, live) = {
            let log = lock(&topic.log);
            (log.last, log.live.clone())
        };
        // A cursor from the future (another node's clock) can only mean "everything you have is known".
        let place = after.map_or(last, |after| after.min(last));
        let live = live.filter(|_| place == last);
        Watcher { bell: topic.bell.subscribe(), topic, place, live }
    }

    /// Forgets logs that nobody wrote to or watched for a while.
    pub(super) fn forget_idle(&self) {
        let horizon = self.clock.now() - TimeDelta::minutes(KEPT_MINUTES);
        lock(&self.topics).retain(|_, topic| {
            Arc::strong_count(topic) > 1 || topic.bell.receiver_count() > 0 || lock(&topic.log).touched > horizon
        });
    }
}

impl Topic {
    fn new(conversation: ConversationId, now: DateTime<Utc>) -> Self {
        let place = Cursor::at(now);
        Self {
            log: Mutex::new(Log {
                conversation,
                events: VecDeque::new(),
                bytes: 0,
                floor: place,
                last: place,
                live: None,
                touched: now,
            }),
            bell: watch::Sender::new(place),
            turn: Arc::default(),
        }
    }

    fn publish(&self, now: DateTime<Utc>, body: Body) {
        let mut log = lock(&self.log);
        log.last = log.last.next(now);
        log.touched = now;
        match &body {
            Body::ReplyStarted(row) => log.live = Some((row.id, row.content.clone())),
            Body::ReplyDelta { message, text } => match &mut log.live {
                Some((live, so_far)) if live == message => so_far.push_str(text),
                _ => log.live = Some((*message, text.clone())),
            },
            ends if ends.ends_reply() => log.live = None,
            _ => {}
        }
        let event = Event { cursor: log.last, conversation: log.conversation, body };
        log.bytes += event.size();
        log.events.push_back(event);
        while log.events.len() > KEPT_EVENTS || log.bytes > KEPT_BYTES {
            let Some(dropped) = log.events.pop_front() else { break };
            log.bytes -= dropped.size();
            log.floor = dropped.cursor;
        }
        // Rung under the lock, so that places come in order.
        self.bell.send_replace(log.last);
    }

    /// Waits for the conversation's turn to be answered.
    pub(super) async fn turn(&self) -> tokio::sync::OwnedMutexGuard<()> {
        self.turn.clone().lock_owned().await
    }
}

/// What a watcher reads.
pub(super) enum Reading {
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
pub(super) struct Watcher {
    topic: Arc<Topic>,
    bell: watch::Receiver<Cursor>,
    place: Cursor,
    /// The reply that was being written at the place where it began, and its text.
    live: Option<(MessageId, String)>,
}

impl Watcher {
    /// The conversation that it watches.
    pub(super) fn conversation(&self) -> ConversationId {
        lock(&self.topic.log).conversation
    }

    /// Behind which event it stands.
    pub(super) fn place(&self) -> Cursor {
        self.place
    }

    /// The reply that was being written when it began to watch, for a watcher that has nothing of it yet. What came
    /// since is in the log behind its place.
    pub(super) fn live(&self) -> Option<(MessageId, String)> {
        self.live.clone()
    }

    /// Waits for what comes next. May be dropped and called again: nothing is lost by it.
    pub(super) async fn next(&mut self) -> Reading {
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
        if self.place < log.floor {
            let lost = std::mem::replace(&mut self.place, log.last);
            return Some(Reading::Lapsed { lost, resumed: log.last, live: log.live.clone() });
        }
        let behind = log.events.partition_point(|event| event.cursor <= self.place);
        let mut events: Vec<Event> = log.events.range(behind..).cloned().collect();
        drop(log);
        self.place = events.last()?.cursor;
        if events.len() > FAR_BEHIND {
            events = joined(events);
        }
        Some(Reading::Events(events))
    }
}

/// Deltas of one reply that follow each other, as one.
fn joined(events: Vec<Event>) -> Vec<Event> {
    let mut fewer: Vec<Event> = Vec::new();
    for event in events {
        if let Body::ReplyDelta { message, text } = &event.body
            && let Some(Event { cursor, body: Body::ReplyDelta { message: before, text: so_far }, .. }) =
                fewer.last_mut()
            && before == message
        {
            so_far.push_str(text);
            *cursor = event.cursor;
            continue;
        }
        fewer.push(event);
    }
    fewer
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const KEY: TopicKey = (TenantId(1), ConversationId(7));

    fn hub() -> (Hub, Clock) {
        let clock = Clock::held(DateTime::from_timestamp(1_763_700_000, 0).unwrap());
        (Hub::new(clock.clone()), clock)
    }

    fn delta(hub: &Hub, text: &str) {
        hub.publish(KEY, Body::ReplyDelta { message: MessageId(1), text: text.to_owned() });
    }

    fn read(watcher: &mut Watcher) -> (String, Vec<Cursor>) {
        match watcher.next().now_or_never() {
            Some(Reading::Events(events)) => events
                .into_iter()
                .map(|event| match event.body {
                    Body::ReplyDelta { text, .. } => (text, event.cursor),
                    other => panic!("{other:?}"),
                })
                .unzip(),
            Some(Reading::Lapsed { .. }) => panic!("lapsed"),
            None => (String::new(), Vec::new()),
        }
    }

    #[test]
    fn a_watcher_resumes_exactly_at_every_place() {
        let (hub, clock) = hub();
        let mut first = hub.watch(KEY, None);
        for number in 0..200 {
            delta(&hub, &format!("{number} "));
            if number % 7 == 0 {
                clock.advance(TimeDelta::milliseconds(1));
            }
        }
        let words: Vec<String> = (0..200).map(|number| format!("{number} ")).collect();
        // 200 behind at once: joined, and still byte for byte.
        assert_eq!(read(&mut first).0, words.concat());
        let places: Vec<_> = lock(&hub.topic(KEY).log).events.iter().map(|event| event.cursor).collect();
        for (index, place) in places.iter().enumerate() {
            assert_eq!(read(&mut hub.watch(KEY, Some(*place))).0, words[index + 1..].concat(), "cut at {index}");
        }
    }

    #[test]
    fn a_place_that_was_dropped_is_told_and_goes_on_with_the_text_so_far() {
        let (hub, _) = hub();
        let mut slow = hub.watch(KEY, None);
        for _ in 0..KEPT_EVENTS + 10 {
            delta(&hub, "x");
        }
        let Some(Reading::Lapsed { live: Some((_, text)), .. }) = slow.next().now_or_never() else {
            panic!("not told")
        };
        assert_eq!(text.len(), KEPT_EVENTS + 10);
        delta(&hub, "y");
        assert_eq!(read(&mut slow).0, "y");
    }

    #[test]
    fn tenants_with_the_same_conversation_number_do_not_hear_each_other() {
        let (hub, _) = hub();
        let mut other = hub.watch((TenantId(2), KEY.1), None);
        delta(&hub, "secret");
        assert_eq!(read(&mut other).0, "");
    }

    #[test]
    fn idle_logs_are_forgotten_and_watched_ones_kept() {
        let (hub, clock) = hub();
        delta(&hub, "x");
        let watcher = hub.watch((TenantId(2), KEY.1), None);
        clock.advance(TimeDelta::minutes(KEPT_MINUTES + 1));
        hub.forget_idle();
        assert_eq!(lock(&hub.topics).len(), 1);
        drop(watcher);
        hub.forget_idle();
        assert_eq!(lock(&hub.topics).len(), 0);
    }
}
