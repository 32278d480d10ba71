//! Keeps a conversation's log in step with the common one: after a connection was lost, after a gap, and after a time
//! alone. What can't be brought together by entries is begun anew, and its watchers look into the database. Must not
//! publish anything of its own but that mark.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use redis::RedisResult;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    chat::hub::{
        Hub,
        log::{Applied, Entry, Log},
        topic::Topic,
        wire::{Heard, Link, Wire},
    },
    kernel::{ids::MessageId, task},
};

/// Between two tries to reach Redis, at first and at most.
const AGAIN: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(4));
/// A link that lasted this long was a good one.
const GOOD: Duration = Duration::from_secs(30);
/// Conversations that are brought up to date at once.
const AT_ONCE: usize = 16;

/// Links this node to the others, again and again, until `closing`.
pub(super) async fn keep_linked(hub: Weak<Hub>, closing: CancellationToken) {
    let (mut number, mut pause, mut is_known_away) = (0, AGAIN.0, false);
    loop {
        let Some(hub) = hub.upgrade() else { return };
        let Some(wire) = &hub.wire else { return };
        number += 1;
        match wire.connect(number).await {
            Ok(heard) => {
                tracing::info!("linked to the other nodes over Redis");
                is_known_away = false;
                let since = Instant::now();
                let synced = hub.clone();
                task::spawn(async move { synced.sync_all().await });
                tokio::select! {
                    () = closing.cancelled() => return,
                    () = wire.hear(heard, |heard| take_in(&hub, heard)) => {}
                }
                if since.elapsed() > GOOD {
                    pause = AGAIN.0;
                }
                tracing::warn!("Redis is away: chats go on, but other nodes do not hear of them");
            }
            Err(error) if !is_known_away => {
                is_known_away = true;
                tracing::warn!(%error, "Redis can't be reached: chats go on, but other nodes do not hear of them");
            }
            Err(_) => {}
        }
        drop(hub);
        tokio::select! {
            () = closing.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(AGAIN.1);
    }
}

fn take_in(hub: &Arc<Hub>, heard: Heard) {
    match heard {
        Heard::Stop(tenant, reply) => {
            hub.writings.stop(tenant, reply);
        }
        Heard::Entry(key, entry) => {
            let Some(topic) = hub.known(key) else { return };
            if hub.apply(&topic, entry) == Applied::Gap {
                let hub = hub.clone();
                task::spawn(async move { hub.fill(&topic).await });
            }
        }
    }
}

impl Hub {
    async fn sync_all(&self) {
        stream::iter(self.all())
            .for_each_concurrent(AT_ONCE, |topic| async move {
                self.sync(&topic).await;
            })
            .await;
    }

    /// Brings a conversation up to date, once for each link. Gives the link; none while this node is alone.
    pub(super) async fn sync(&self, topic: &Topic) -> Option<(&Wire, Link)> {
        let wire = self.wire.as_ref()?;
        let mut link = wire.link()?;
        let mut synced = topic.synced.lock().await;
        if *synced != Some(link.number) {
            self.bring_up(wire, &mut link, topic).await.ok()?;
            *synced = Some(link.number);
        }
        drop(synced);
        Some((wire, link))
    }

    async fn bring_up(&self, wire: &Wire, link: &mut Link, topic: &Topic) -> RedisResult<()> {
        wire.listen(link, topic.key).await?;
        let writes = self.writes(topic);
        let split = topic.log(|log| log.is_split.then(|| (log.chain, log.last, log.gap(&writes))));
        if let Some((chain, floor, gap)) = split {
            let told = wire.tell(link, topic.key, self.clock.now(), floor, vec![gap]).await?;
            // Nobody else wrote meanwhile: what is here is the whole of it.
            if let Some(entry) = told.first().filter(|entry| entry.before == chain) {
                topic.log(|log| {
                    // Unless something was added here while Redis was asked; then the whole is read anew below.
                    if log.last == floor {
                        log.rejoin(entry.cursor);
                    }
                });
            }
        }
        self.load(wire, link, topic).await
    }

    /// Reads what is missing.
    pub(super) async fn fill(&self, topic: &Topic) {
        let Some((wire, mut link)) = self.sync(topic).await else { return };
        let _one_at_a_time = topic.synced.lock().await;
        // A fault breaks the link, and the next one brings all up to date.
        let _ = self.load(wire, &mut link, topic).await;
    }

    async fn load(&self, wire: &Wire, link: &mut Link, topic: &Topic) -> RedisResult<()> {
        loop {
            let chain = topic.log(|log| log.chain);
            let news = wire.read(link, topic.key, self.clock.now(), Some(chain)).await?;
            let joins = news.entries.first().map_or(news.last == chain, |first| first.before == chain);
            if joins && topic.log(|log| self.append_all(topic, log, news.entries)) {
                return Ok(());
            }
            let all = wire.read(link, topic.key, self.clock.now(), None).await?;
            let is_done = topic.log(|log| {
                // What was heard meanwhile is not in it.
                let is_current = log.chain == chain;
                if is_current {
                    log.replace(self.clock.now(), all.entries, all.live, &self.writes(topic));
                }
                is_current
            });
            if is_done {
                return Ok(());
            }
        }
    }

    fn append_all(&self, topic: &Topic, log: &mut Log, entries: Vec<Entry>) -> bool {
        let (now, writes) = (self.clock.now(), self.writes(topic));
        entries.into_iter().all(|entry| log.apply(now, entry, &writes) == Applied::Yes)
    }

    pub(super) fn apply(&self, topic: &Topic, entry: Entry) -> Applied {
        topic.log(|log| log.apply(self.clock.now(), entry, &self.writes(topic)))
    }

    /// Which replies of the conversation's tenant this node writes.
    fn writes(&self, topic: &Topic) -> impl Fn(MessageId) -> bool + use<> {
        let (writings, tenant) = (self.writings.clone(), topic.key.0);
        move |message| writings.holds(tenant, message)
    }
}
