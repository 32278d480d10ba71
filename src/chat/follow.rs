//! Streams of events for watchers: from a place in the log on, with what was missed looked up in the database. Must not
//! write anything.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{Stream, stream};

use crate::{
    chat::{
        accept::Accepted,
        events::{Body, Cursor, Event},
        hub::{Reading, Watcher},
    },
    context::TenantCx,
    db::tables::messages::{self, TurnRow},
    kernel::{
        failure::Outcome,
        ids::MessageId,
        vocabulary::{MessageRole, MessageStatus},
    },
};

/// Messages that are looked up at a time for a watcher that was away.
const LOOK_BACK: i64 = 200;
/// How much earlier than its place such a look-up begins.
const MARGIN: TimeDelta = TimeDelta::seconds(5);

/// How far back the log may still tell of what a look-up told.
const TOLD_TWICE: TimeDelta = TimeDelta::minutes(1);

struct Follower {
    cx: TenantCx,
    watcher: Watcher,
    ready: VecDeque<Event>,
    /// What is still to be looked up.
    missed: Option<Missed>,
    /// Messages that a look into the database told to their end, and as of when: the log may hold them too.
    told: HashMap<MessageId, DateTime<Utc>>,
}

/// What a watcher missed, looked up a page at a time. Whole texts replace what the watcher holds. All but the last event
/// carry the old place: a watcher that breaks off in between asks from there again rather than losing one.
struct Missed {
    /// Behind which event the watcher stands.
    lost: Cursor,
    /// Where the log goes on.
    resumed: Cursor,
    /// The reply that is being written there, and its text so far, until it is told.
    live: Option<(MessageId, String)>,
    /// The last message that was looked at.
    behind: MessageId,
}

impl Follower {
    fn new(cx: TenantCx, watcher: Watcher, ready: VecDeque<Event>) -> Self {
        Self { cx, watcher, ready, missed: None, told: HashMap::new() }
    }

    /// The next event; waits for it.
    async fn next(&mut self) -> Outcome<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            if let Some(missed) = self.missed.take() {
                // Boxed: few ever need it.
                Box::pin(self.look_up(missed)).await?;
                continue;
            }
            match self.watcher.next().await {
                Reading::Events(events) => {
                    let told = &mut self.told;
                    self.ready.extend(events.into_iter().filter(|event| {
                        let message = event.body.message();
                        // One that had failed is written anew, under the same id.
                        if let Body::ReplyStarted(row) = &event.body
                            && told.get(&message).is_some_and(|at| row.updated_at > *at)
                        {
                            told.remove(&message);
                        }
                        !told.contains_key(&message)
                    }));
                }
                Reading::Lapsed { lost, resumed, live } => {
                    self.missed = Some(Missed { lost, resumed, live, behind: MessageId(0) });
                }
            }
        }
    }

    async fn look_up(&mut self, mut missed: Missed) -> Outcome<()> {
        let conversation = self.watcher.conversation();
        // Rows are stamped before they are committed, events after: a little earlier misses none.
        let since = missed.lost.time() - MARGIN;
        let behind = missed.behind;
        let page =
            self.cx.read(async |tx| messages::changed_since(tx, conversation, since, behind, LOOK_BACK).await).await?;
        let is_last = i64::try_from(page.len()).unwrap_or(i64::MAX) < LOOK_BACK;
        missed.behind = page.last().map_or(behind, |row| row.id);
        let mut bodies = Vec::new();
        for row in page {
            self.tell(&mut missed, row, since, &mut bodies);
        }
        if is_last && let Some((message, text)) = missed.live.take() {
            bodies.push(Body::ReplySnapshot { message, text });
        }
        let newest = bodies.len().checked_sub(1).filter(|_| is_last);
        self.ready.extend(bodies.into_iter().enumerate().map(|(index, body)| Event {
            cursor: if Some(index) == newest { missed.resumed } else { missed.lost },
            conversation,
            body,
        }));
        self.missed = (!is_last).then_some(missed);
        Ok(())
    }

    /// What one message's row says to somebody who was not there since `since`.
    fn tell(&mut self, missed: &mut Missed, row: TurnRow, since: DateTime<Utc>, bodies: &mut Vec<Body>) {
        let is_new = row.created_at > since;
        let is_recent = row.updated_at > missed.resumed.time() - TOLD_TWICE;
        match (row.role, row.status) {
            (MessageRole::Assistant, MessageStatus::Pending) => return,
            (MessageRole::Assistant, MessageStatus::Streaming) => {
                // One that began after the place where the log goes on is in the log from its start.
                if let Some((message, text)) = missed.live.take_if(|(message, _)| *message == row.id) {
                    bodies.push(Body::ReplySnapshot { message, text });
                }
                return;
            }
            (MessageRole::Assistant, _) => {
                missed.live.take_if(|(message, _)| *message == row.id);
                if is_recent {
                    self.told.insert(row.id, row.updated_at);
                }
                bodies.push(Body::ReplySnapshot { message: row.id, text: row.content.clone() });
                bodies.push(Body::of_finished(row));
                return;
            }
            _ => {}
        }
        if is_new {
            if is_recent {
                self.told.insert(row.id, row.updated_at);
            }
            bodies.push(Body::MessageAdded(Arc::new(row.message)));
        }
    }
}

/// Everything in a conversation, until the watcher goes. A watcher that starts afresh first gets the text so far of a
/// reply in progress.
pub(super) fn conversation(
    cx: TenantCx,
    watcher: Watcher,
    is_fresh: bool,
) -> impl Stream<Item = Outcome<Event>> + Send + use<> {
    let live = if is_fresh { watcher.live() } else { None };
    let (conversation, cursor) = (watcher.conversation(), watcher.place());
    let ready = live
        .map(|(message, text)| Event { cursor, conversation, body: Body::ReplySnapshot { message, text } })
        .into_iter()
        .collect();
    stream::unfold(Some(Follower::new(cx, watcher, ready)), |follower| async move {
        let mut follower = follower?;
        match follower.next().await {
            Ok(event) => Some((Ok(event), Some(follower))),
            Err(failure) => Some((Err(failure), None)),
        }
    })
}

/// One message and its reply, to the reply's end.
///
/// # Errors
/// Faults only.
pub(super) async fn one_reply(
    cx: TenantCx,
    watcher: Watcher,
    accepted: Accepted,
) -> Outcome<impl Stream<Item = Outcome<Event>> + Send + use<>> {
    let (question, reply) = (accepted.message.id, accepted.reply.as_ref().map(|row| row.id));
    let ready = if accepted.is_new { VecDeque::new() } else { told_again(&cx, &watcher, accepted).await? };
    let follower = Follower::new(cx, watcher, ready);
    Ok(stream::unfold(Some(follower), move |follower| async move {
        let mut follower = follower?;
        loop {
            match follower.next().await {
                Ok(event) if event.body.message() == question => {
                    // With no reply to come (a person answers here), that was all.
                    return Some((Ok(event), reply.is_some().then_some(follower)));
                }
                Ok(event) if Some(event.body.message()) == reply => {
                    let goes_on = !event.body.ends_reply();
                    return Some((Ok(event), goes_on.then_some(follower)));
                }
                Ok(_) => {}
                Err(failure) => return Some((Err(failure), None)),
            }
        }
    }))
}

/// A message that was sent before: what happened since, in short, as the watcher was not there. Until all of it is told, events
/// carry the message's own place: whoever breaks off in between is told the rest from there.
async fn told_again(cx: &TenantCx, watcher: &Watcher, accepted: Accepted) -> Outcome<VecDeque<Event>> {
    let (place, conversation, question) = (watcher.place(), accepted.conversation.id, accepted.message.id);
    // What the log does not know of lies before it, and from there it is looked up.
    let asked = watcher
        .place_of(|body| matches!(body, Body::MessageAdded(row) if row.id == question))
        .unwrap_or_else(|| Cursor::at(accepted.message.created_at - MARGIN));
    let told = |cursor, body| Event { cursor, conversation, body };
    let mut events = VecDeque::from([told(asked, Body::MessageAdded(Arc::new(accepted.message)))]);
    // Looked at after the watcher was set up: an end that this misses will be heard.
    let reply: Option<TurnRow> = cx.read(async |tx| messages::reply_to(tx, question).await).await?;
    match reply {
        Some(row) if matches!(row.status, MessageStatus::Pending | MessageStatus::Streaming) => {
            if let Some((message, text)) = watcher.live().filter(|(message, _)| *message == row.id) {
                events.push_back(told(place, Body::ReplySnapshot { message, text }));
            }
        }
        Some(row) => {
            let ended = watcher.place_of(|body| body.ends_reply() && body.message() == row.id).unwrap_or(place);
            events.push_back(told(asked, Body::ReplySnapshot { message: row.id, text: row.content.clone() }));
            events.push_back(told(ended, Body::of_finished(row)));
        }
        None => {}
    }
    Ok(events)
}

/// Waits until a reply's end was told.
pub(super) async fn until_ended(watcher: &mut Watcher, reply: MessageId, patience: Duration) {
    let ended = async {
        loop {
            match watcher.next().await {
                Reading::Events(events) => {
                    if events.iter().any(|event| event.body.ends_reply() && event.body.message() == reply) {
                        return;
                    }
                }
                Reading::Lapsed { .. } => return,
            }
        }
    };
    // Late is no error: the caller reads the row as it is.
    let _ = tokio::time::timeout(patience, ended).await;
}
