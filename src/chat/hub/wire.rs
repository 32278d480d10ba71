//! The link to the other nodes, over Redis: each conversation's log is a stream there, written and announced by one
//! script, so that every entry names the one before it and a listener sees what it missed. Must not know what an event
//! means, nor fail a chat: when Redis is away, it says so and comes back by itself.
//!
//! Keys: `frontdesk:{<tenant>:<conversation>}:log` (a stream, and the channel of its announcements) and `…:live` (the
//! reply that is being written and its text so far). Both go a while after their last use.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use redis::{
    AsyncConnectionConfig, ErrorKind, RedisError, RedisResult, Script,
    aio::{MultiplexedConnection, PubSubSink, PubSubStream},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::{sync::Notify, time::timeout};

use crate::{
    chat::{
        events::{Body, Cursor},
        hub::{
            log::{Entry, KEPT_EVENTS, Note},
            topic::TopicKey,
        },
    },
    kernel::ids::{self, ConversationId, MessageId, TenantId},
};

/// How long Redis may take to answer. A chat waits this long once, then goes on without.
const ANSWER: Duration = Duration::from_secs(1);
/// Between two looks whether it is still there.
const LOOK: Duration = Duration::from_secs(2);
/// Where requests to stop a reply are announced.
const STOPS: &str = "frontdesk:stop";
/// How long a log is kept after its last use.
const KEPT: Duration = Duration::from_mins(20);

/// Redis, when it is there and when it is not.
pub(super) struct Wire {
    client: redis::Client,
    link: Mutex<Option<Link>>,
    broken: Notify,
    tell: Script,
    read: Script,
}

/// A connection that stands.
#[derive(Clone)]
pub(super) struct Link {
    /// Counts connections: what was brought up to date over another one may have missed something since.
    pub(super) number: u64,
    commands: MultiplexedConnection,
    ears: PubSubSink,
}

/// What comes from the other nodes.
pub(super) enum Heard {
    /// An entry of a log.
    Entry(TopicKey, Entry),
    /// Somebody wants a reply stopped.
    Stop(TenantId, MessageId),
}

/// What stands in a conversation's log.
pub(super) struct Loaded {
    pub(super) entries: Vec<Entry>,
    /// The newest entry's place.
    pub(super) last: Cursor,
    pub(super) live: Option<(MessageId, String)>,
}

impl Wire {
    pub(super) fn new(url: &SecretString) -> anyhow::Result<Self> {
        Ok(Self {
            // The error would hold the URL, and with it the password.
            client: redis::Client::open(url.expose_secret()).ok().context("REDIS_URL can't be read")?,
            link: Mutex::default(),
            broken: Notify::new(),
            tell: Script::new(include_str!("tell.lua")),
            read: Script::new(include_str!("read.lua")),
        })
    }

    pub(super) fn link(&self) -> Option<Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Connects; gives what comes in.
    pub(super) async fn connect(&self, number: u64) -> RedisResult<PubSubStream> {
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(ANSWER)).set_response_timeout(Some(ANSWER));
        let commands = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let listens = async {
            let (mut ears, heard) = self.client.get_async_pubsub().await?.split();
            ears.subscribe(STOPS).await?;
            Ok((ears, heard))
        };
        let (ears, heard) = in_time(listens).await?;
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Some(Link { number, commands, ears });
        Ok(heard)
    }

    /// Hands on what is heard, until the link breaks.
    pub(super) async fn hear(&self, mut heard: PubSubStream, hand_on: impl Fn(Heard)) {
        let (mut look, ping) = (tokio::time::interval(LOOK), redis::cmd("PING"));
        loop {
            tokio::select! {
                message = heard.next() => match message {
                    Some(message) => {
                        let payload = message.get_payload::<String>().unwrap_or_default();
                        if let Some(heard) = read_message(message.get_channel_name(), &payload) {
                            hand_on(heard);
                        }
                    }
                    None => break,
                },
                () = self.broken.notified() => break,
                _ = look.tick() => {
                    let Some(mut link) = self.link() else { break };
                    // Both: what carries no word for an hour is cut by many a network, and tells neither end.
                    let says = ping.query_async::<()>(&mut link.commands).await;
                    if says.is_err() || in_time(link.ears.ping::<redis::Value>()).await.is_err() {
                        break;
                    }
                }
            }
        }
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// A command failed: the link is given up, so that nothing is missed by half of it.
    fn failed(&self, error: RedisError) -> RedisError {
        self.broken.notify_one();
        error
    }

    /// Has a conversation's announcements sent here.
    pub(super) async fn listen(&self, link: &mut Link, key: TopicKey) -> RedisResult<()> {
        in_time(link.ears.subscribe(log_key(key))).await.map_err(|error| self.failed(error))
    }

    /// And not any more.
    pub(super) async fn forget(&self, link: &mut Link, key: TopicKey) -> RedisResult<()> {
        in_time(link.ears.unsubscribe(log_key(key))).await.map_err(|error| self.failed(error))
    }

    /// Adds to a conversation's log, behind all that is there and behind `floor`, and announces it.
    pub(super) async fn tell(
        &self,
        link: &mut Link,
        key: TopicKey,
        now: DateTime<Utc>,
        floor: Cursor,
        notes: Vec<Note>,
    ) -> RedisResult<Vec<Entry>> {
        let mut call = self.tell.key(log_key(key));
        call.key(live_key(key)).arg(now.timestamp_millis()).arg(floor.to_string()).arg(KEPT_EVENTS).arg(kept());
        for note in &notes {
            let (verb, text) = live_change(note);
            call.arg(verb).arg(text).arg(serde_json::to_string(note).unwrap_or_default());
        }
        let places: Vec<(String, String)> =
            call.invoke_async(&mut link.commands).await.map_err(|error| self.failed(error))?;
        let entries = places.into_iter().zip(notes).filter_map(|((cursor, before), note)| {
            Some(Entry { cursor: Cursor::parse(&cursor).ok()?, before: Cursor::parse(&before).ok()?, note })
        });
        Ok(entries.collect())
    }

    /// Reads a conversation's log behind `after`, or all of it; begins one where there is none.
    pub(super) async fn read(
        &self,
        link: &mut Link,
        key: TopicKey,
        now: DateTime<Utc>,
        after: Option<Cursor>,
    ) -> RedisResult<Loaded> {
        let after = after.map_or_else(|| "-".to_owned(), |place| format!("({place}"));
        let mut call = self.read.key(log_key(key));
        call.key(live_key(key)).arg(now.timestamp_millis()).arg(after).arg(kept());
        let (entries, last, live): (Vec<(String, String, String)>, String, Option<String>) =
            call.invoke_async(&mut link.commands).await.map_err(|error| self.failed(error))?;
        let entries = entries.iter().filter_map(|(cursor, before, note)| read_entry(cursor, before, note)).collect();
        let live = live.and_then(|text| {
            let (message, text) = text.split_once(':')?;
            Some((MessageId(message.parse().ok()?), text.to_owned()))
        });
        Ok(Loaded { entries, last: Cursor::parse(&last).unwrap_or(Cursor::at(now)), live })
    }

    /// Asks whichever node writes a reply to stop it.
    pub(super) async fn ask_to_stop(&self, tenant: TenantId, reply: MessageId) {
        let Some(mut link) = self.link() else { return };
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(STOPS).arg(format!("{tenant} {reply}"));
        if let Err(error) = publish.query_async::<()>(&mut link.commands).await.map_err(|error| self.failed(error)) {
            tracing::warn!(%error, %reply, "a stop was not passed on; its node reads it from the database");
        }
    }
}

/// The library holds commands to a time by itself, and listening to none.
async fn in_time<T>(answer: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    let late = |_| RedisError::from((ErrorKind::Io, "Redis took too long to answer"));
    timeout(ANSWER, answer).await.map_err(late)?
}

fn log_key((tenant, conversation): TopicKey) -> String {
    // In braces: of a cluster, one node holds both keys.
    format!("frontdesk:{{{}:{}}}:log", tenant.0, conversation.0)
}

fn live_key((tenant, conversation): TopicKey) -> String {
    format!("frontdesk:{{{}:{}}}:live", tenant.0, conversation.0)
}

fn kept() -> u64 {
    u64::try_from(KEPT.as_millis()).unwrap_or(u64::MAX)
}

/// What an entry does to the text so far that is kept beside the log.
fn live_change(note: &Note) -> (&'static str, String) {
    match note {
        Note::Event(Body::ReplyStarted(row)) => ("SET", format!("{}:{}", row.id.0, row.content)),
        Note::Event(Body::ReplyDelta { message, text }) => ("APPEND", format!("{}:{text}", message.0)),
        Note::Event(body) if body.ends_reply() => ("END", format!("{}:", body.message().0)),
        Note::Gap { live: Some((message, text)), .. } => ("SET", format!("{}:{text}", message.0)),
        Note::Gap { ended, .. } => {
            let heads: Vec<_> = ended.iter().map(|message| format!("{}:", message.0)).collect();
            ("END", heads.concat())
        }
        _ => ("", String::new()),
    }
}

fn read_entry(cursor: &str, before: &str, note: &str) -> Option<Entry> {
    // An entry that a newer build wrote and this one can't read shows as a gap, and is looked up in the database.
    let note = serde_json::from_str(note).unwrap_or(Note::Gap { live: None, ended: Vec::new() });
    Some(Entry { cursor: Cursor::parse(cursor).ok()?, before: Cursor::parse(before).ok()?, note })
}

fn read_message(channel: &str, payload: &str) -> Option<Heard> {
    if channel == STOPS {
        let (tenant, reply) = payload.split_once(' ')?;
        return Some(Heard::Stop(ids::parse(tenant, "tenant").ok()?, ids::parse(reply, "reply").ok()?));
    }
    let place = channel.strip_prefix("frontdesk:{")?.strip_suffix("}:log")?;
    let (tenant, conversation) = place.split_once(':')?;
    let key = (TenantId(tenant.parse().ok()?), ConversationId(conversation.parse().ok()?));
    let mut parts = payload.splitn(3, ' ');
    Some(Heard::Entry(key, read_entry(parts.next()?, parts.next()?, parts.next()?)?))
}
