//! Replay, then follow. Each conversation that is alive has one bounded log of events; a watcher is nothing but a place
//! in that log. So a slow watcher holds nobody up and costs no memory: when it comes back it reads on, in bigger bites,
//! and when its place has been dropped it is told so. In memory for one node; with Redis, the same log on every node.
//! Must not know what a conversation says, nor who may hear it.

mod log;
mod run;
mod sync;
mod topic;
mod wire;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

use self::{
    log::{Applied, Note},
    topic::{Topic, lock},
    wire::Wire,
};
use crate::{
    chat::{
        events::{Body, Cursor},
        writings::Writings,
    },
    kernel::{
        clock::Clock,
        ids::{MessageId, TenantId},
        task,
    },
};

pub(super) use self::topic::{Reading, TopicKey, Watcher};

/// How long a log outlives its last event and its last watcher, in minutes.
const KEPT_MINUTES: i64 = 10;
/// And how long what the other nodes do not know of it, while Redis is away. After that they look into the database.
const OWED_MINUTES: i64 = 60;

/// All live conversations of this node.
pub(super) struct Hub {
    topics: Mutex<HashMap<TopicKey, Arc<Topic>>>,
    clock: Clock,
    writings: Writings,
    wire: Option<Wire>,
    /// What is on its way to the other nodes.
    telling: TaskTracker,
    refreshed: Mutex<DateTime<Utc>>,
}

impl Hub {
    /// Starts; with Redis, keeps a link to the other nodes until `closing`.
    ///
    /// # Errors
    /// For a Redis URL that can't be read. A Redis that can't be reached is no error.
    pub(super) fn start(
        clock: Clock,
        writings: Writings,
        redis: Option<&SecretString>,
        closing: CancellationToken,
    ) -> anyhow::Result<Arc<Self>> {
        let refreshed = Mutex::new(clock.now());
        let wire = redis.map(Wire::new).transpose()?;
        let hub =
            Arc::new(Self { topics: Mutex::default(), clock, writings, wire, telling: TaskTracker::new(), refreshed });
        if hub.wire.is_some() {
            task::spawn(sync::keep_linked(Arc::downgrade(&hub), closing));
        }
        Ok(hub)
    }

    /// Whether the other nodes can be reached; `None` where there are none.
    pub(super) fn is_linked(&self) -> Option<bool> {
        self.wire.as_ref().map(|wire| wire.link().is_some())
    }

    fn topic(&self, key: TopicKey) -> Arc<Topic> {
        let now = self.clock.now();
        lock(&self.topics).entry(key).or_insert_with(|| Arc::new(Topic::new(key, now))).clone()
    }

    /// Tells every watcher, in the order of the calls. Does not wait for it: what other nodes hear later is on its way.
    pub(super) fn publish(self: &Arc<Self>, key: TopicKey, body: Body) {
        let topic = self.topic(key);
        if self.wire.is_none() {
            return topic.log(|log| log.append(self.clock.now(), body));
        }
        let mut outbox = lock(&topic.outbox);
        // While one bite is on its way, the next is gathered.
        let is_joined = outbox.waiting.last_mut().is_some_and(|last| last.joins(&body));
        if !is_joined {
            outbox.waiting.push(body);
        }
        if !std::mem::replace(&mut outbox.is_watched, true) {
            drop(outbox);
            let hub = self.clone();
            self.telling.spawn(async move { hub.empty_outbox(&topic).await }.in_current_span());
        }
    }

    async fn empty_outbox(&self, topic: &Topic) {
        loop {
            let bodies = {
                let mut outbox = lock(&topic.outbox);
                if outbox.waiting.is_empty() {
                    outbox.is_watched = false;
                    return;
                }
                std::mem::take(&mut outbox.waiting)
            };
            self.tell(topic, bodies).await;
        }
    }

    /// Adds to the common log; where that can't be reached, to this node's own.
    async fn tell(&self, topic: &Topic, bodies: Vec<Body>) {
        if let Some((wire, mut link)) = self.sync(topic).await {
            let floor = topic.log(|log| log.last);
            let notes = bodies.iter().cloned().map(Note::Event).collect();
            if let Ok(entries) = wire.tell(&mut link, topic.key, self.clock.now(), floor, notes).await
                && entries.first().is_none_or(|entry| entry.before != Cursor::ZERO)
            {
                if entries.into_iter().any(|entry| self.apply(topic, entry) == Applied::Gap) {
                    self.fill(topic).await;
                }
                return;
            }
            // Where the common log was lost, with the text so far, it is begun anew below.
            *topic.synced.lock().await = None;
        }
        let now = self.clock.now();
        topic.log(|log| {
            log.is_split = true;
            for body in bodies {
                log.append(now, body);
            }
        });
        self.sync(topic).await;
    }

    /// Watches from `after`, or from now on.
    pub(super) async fn watch(&self, key: TopicKey, after: Option<Cursor>) -> Watcher {
        let topic = self.topic(key);
        self.sync(&topic).await;
        topic.watch(after)
    }

    /// The reply that is being written, and its text so far, on whichever node.
    pub(super) async fn live(&self, key: TopicKey) -> Option<(MessageId, String)> {
        let topic = self.topic(key);
        self.sync(&topic).await;
        topic.log(|log| log.live())
    }

    /// Replies that are being written, and of which nothing was heard for longer than `silence`; each is named once for so long.
    pub(super) fn silent(&self, silence: TimeDelta) -> Vec<(TopicKey, MessageId)> {
        let now = self.clock.now();
        let silent = |topic: Arc<Topic>| Some((topic.key, topic.log(|log| log.silent(now, silence))?));
        self.all().into_iter().filter_map(silent).collect()
    }

    /// Asks the other nodes to stop a reply.
    pub(super) async fn ask_to_stop(&self, tenant: TenantId, reply: MessageId) {
        if let Some(wire) = &self.wire {
            wire.ask_to_stop(tenant, reply).await;
        }
    }

    /// Waits until all that was published is told, at most for `patience`. For the end.
    pub(super) async fn settle(&self, patience: Duration) {
        self.telling.close();
        let _ = tokio::time::timeout(patience, self.telling.wait()).await;
    }

    /// Forgets logs that nobody wrote to or watched for a while, and keeps those that are watched.
    pub(super) async fn tidy(&self) {
        let now = self.clock.now();
        let (horizon, owed) = (now - TimeDelta::minutes(KEPT_MINUTES), now - TimeDelta::minutes(OWED_MINUTES));
        let mut gone = Vec::new();
        lock(&self.topics).retain(|key, topic| {
            let is_used = Arc::strong_count(topic) > 1 || topic.is_watched() || topic.log(|log| log.touched) > horizon;
            // What the other nodes do not know yet is owed to them for a while, if Redis is away.
            let is_owed =
                !is_used && topic.log(|log| (log.is_split && log.touched > owed).then(|| log.shed())).is_some();
            if !is_used && !is_owed {
                gone.push(*key);
            }
            is_used || is_owed
        });
        let Some((wire, mut link)) = self.wire.as_ref().and_then(|wire| Some((wire, wire.link()?))) else { return };
        for key in gone {
            // The next link listens to nothing that is not asked of it.
            if wire.forget(&mut link, key).await.is_err() {
                return;
            }
            // Somebody has come to it meanwhile, and would hear nothing.
            if let Some(topic) = self.known(key) {
                *topic.synced.lock().await = None;
                self.sync(&topic).await;
            }
        }
        let is_due = {
            let mut refreshed = lock(&self.refreshed);
            let is_due = *refreshed < horizon;
            *refreshed = if is_due { now } else { *refreshed };
            is_due
        };
        if is_due {
            for topic in self.all().into_iter().filter(|topic| topic.is_watched()) {
                // Reading a log prolongs its life.
                self.fill(&topic).await;
            }
        }
    }

    /// A conversation that is alive here.
    fn known(&self, key: TopicKey) -> Option<Arc<Topic>> {
        lock(&self.topics).get(&key).cloned()
    }

    fn all(&self) -> Vec<Arc<Topic>> {
        lock(&self.topics).values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::kernel::ids::ConversationId;

    const KEY: TopicKey = (TenantId(1), ConversationId(7));

    fn hub() -> (Arc<Hub>, Clock) {
        let clock = Clock::held(DateTime::from_timestamp(1_763_700_000, 0).unwrap());
        let hub = Hub::start(clock.clone(), Writings::default(), None, CancellationToken::new()).unwrap();
        (hub, clock)
    }

    /// Alone, nobody is waited for.
    fn watch(hub: &Hub, key: TopicKey, after: Option<Cursor>) -> Watcher {
        hub.watch(key, after).now_or_never().unwrap()
    }

    /// A reply's begin, with what is kept of it.
    pub(super) fn started(message: MessageId, content: &str) -> Body {
        let row = serde_json::json!({
            "id": message, "conversation_id": 7, "role": "ASSISTANT", "status": "STREAMING", "content": content, "sources": [],
            "created_at": "2026-11-21T12:00:00Z", "updated_at": "2026-11-21T12:00:00Z",
        });
        Body::ReplyStarted(Arc::new(serde_json::from_value(row).unwrap()))
    }

    fn delta(hub: &Arc<Hub>, text: &str) {
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
        let mut first = watch(&hub, KEY, None);
        for number in 0..200 {
            delta(&hub, &format!("{number} "));
            if number % 7 == 0 {
                clock.advance(TimeDelta::milliseconds(1));
            }
        }
        let words: Vec<String> = (0..200).map(|number| format!("{number} ")).collect();
        // 200 behind at once: joined, and still byte for byte.
        assert_eq!(read(&mut first).0, words.concat());
        let places: Vec<_> = hub.topic(KEY).log(|log| log.places());
        for (index, place) in places.iter().enumerate() {
            assert_eq!(read(&mut watch(&hub, KEY, Some(*place))).0, words[index + 1..].concat(), "cut at {index}");
        }
    }

    #[test]
    fn a_place_that_was_dropped_is_told_and_goes_on_with_the_text_so_far() {
        let (hub, _) = hub();
        hub.publish(KEY, started(MessageId(1), ""));
        let mut slow = watch(&hub, KEY, None);
        for _ in 0..log::KEPT_EVENTS + 10 {
            delta(&hub, "x");
        }
        let Some(Reading::Lapsed { live: Some((_, text)), .. }) = slow.next().now_or_never() else {
            panic!("not told")
        };
        assert_eq!(text.len(), log::KEPT_EVENTS + 10);
        delta(&hub, "y");
        assert_eq!(read(&mut slow).0, "y");
    }

    #[test]
    fn tenants_with_the_same_conversation_number_do_not_hear_each_other() {
        let (hub, _) = hub();
        let mut other = watch(&hub, (TenantId(2), KEY.1), None);
        delta(&hub, "secret");
        assert_eq!(read(&mut other).0, "");
    }

    #[test]
    fn idle_logs_are_forgotten_and_watched_ones_kept() {
        let (hub, clock) = hub();
        delta(&hub, "x");
        let watcher = watch(&hub, (TenantId(2), KEY.1), None);
        clock.advance(TimeDelta::minutes(KEPT_MINUTES + 1));
        hub.tidy().now_or_never().unwrap();
        assert_eq!(lock(&hub.topics).len(), 1);
        drop(watcher);
        hub.tidy().now_or_never().unwrap();
        assert_eq!(lock(&hub.topics).len(), 0);
    }

    #[test]
    fn what_the_other_nodes_are_owed_is_kept_and_nothing_else_of_it() {
        let (hub, clock) = hub();
        hub.publish(KEY, started(MessageId(1), "Half"));
        hub.topic(KEY).log(|log| log.is_split = true);
        clock.advance(TimeDelta::minutes(KEPT_MINUTES + 1));
        hub.tidy().now_or_never().unwrap();
        let owed = |log: &mut log::Log| (log.places().len(), log.live());
        assert_eq!(hub.topic(KEY).log(owed), (0, Some((MessageId(1), "Half".to_owned()))));
        clock.advance(TimeDelta::minutes(OWED_MINUTES));
        hub.tidy().now_or_never().unwrap();
        assert_eq!(lock(&hub.topics).len(), 0);
    }
}
