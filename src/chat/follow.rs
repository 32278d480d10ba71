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
        place::{Lately, MARGIN, Place, Told},
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
/// How far back the log may still tell of what a look-up told.
const TOLD_TWICE: TimeDelta = TimeDelta::minutes(1);

struct Follower {
    cx: TenantCx,
    watcher: Watcher,
    ready: VecDeque<Told>,
    /// What is still to be looked up.
    missed: Option<Missed>,
    /// What was told in the last seconds.
    lately: Lately,
    /// Messages that were told to their end, and as of when, though the log may hold them too: by a look into the database, or before
    /// the watcher came.
    told: HashMap<MessageId, DateTime<Utc>>,
}

/// What a watcher missed, looked up a page at a time. Whole texts replace what the watcher holds. All but the last event
/// carry the old place: a watcher that breaks off in between asks from there again rather than losing one.
struct Missed {
    /// Where the watcher stands.
    lost: Place,
    /// Where the log goes on.
    resumed: Cursor,
    /// The reply that is being written there, and its text so far, until it is told.
    live: Option<(MessageId, String)>,
    /// The last message that was looked at.
    behind: MessageId,
    /// What was told, and is so new that the next place has to name it.
    fresh: Vec<MessageId>,
}

impl Missed {
    /// From when on it is looked up. Rows are stamped before they are committed, events after: a little earlier misses none.
    fn since(&self) -> DateTime<Utc> {
        self.lost.cursor.time() - MARGIN
    }

    /// Whether the watcher was told of this end. A reply that had failed may have been written anew since.
    fn has_end_of(&self, reply: &TurnRow) -> bool {
        reply.updated_at.timestamp_millis() <= self.lost.cursor.millis && self.lost.told.contains(&reply.id)
    }
}

/// What somebody who stands behind a place was told in the seconds before it, as far as the log goes back.
fn lately(watcher: &Watcher, cursor: Cursor) -> Lately {
    let mut lately = Lately::default();
    watcher.before(cursor, MARGIN).iter().for_each(|event| lately.hear(event));
    lately
}

impl Follower {
    /// Follows from where the watcher stands. Who comes with a place has what that names, whatever the log knows.
    fn new(cx: TenantCx, watcher: Watcher, after: Option<&Place>) -> Self {
        let place = watcher.place();
        let (mut lately, mut told) = (lately(&watcher, place), HashMap::new());
        for message in after.into_iter().flat_map(|after| after.told.iter().copied()) {
            lately.note(place, message);
            told.insert(message, place.time());
        }
        Self { cx, watcher, ready: VecDeque::new(), missed: None, lately, told }
    }

    /// The next event; waits for it.
    async fn next(&mut self) -> Outcome<Told> {
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
                Reading::Events(events) => events.into_iter().for_each(|event| self.take_in(event)),
                Reading::Lapsed { lost, resumed, live } => {
                    let lost = self.lately.place(lost);
                    self.missed = Some(Missed { lost, resumed, live, behind: MessageId(0), fresh: Vec::new() });
                }
            }
        }
    }

    /// Tells an event of the log, unless it was told.
    fn take_in(&mut self, event: Event) {
        let message = event.body.message();
        // One that had failed is written anew, under the same id.
        if let Body::ReplyStarted(row) = &event.body
            && self.told.get(&message).is_some_and(|at| row.updated_at > *at)
        {
            self.told.remove(&message);
        }
        if !self.told.contains_key(&message) {
            self.lately.hear(&event);
            let Event { cursor, conversation, body } = event;
            self.ready.push_back(Told { place: self.lately.place(cursor), conversation, body });
        }
    }

    async fn look_up(&mut self, mut missed: Missed) -> Outcome<()> {
        let conversation = self.watcher.conversation();
        let (since, behind) = (missed.since(), missed.behind);
        let page =
            self.cx.read(async |tx| messages::changed_since(tx, conversation, since, behind, LOOK_BACK).await).await?;
        let is_last = i64::try_from(page.len()).unwrap_or(i64::MAX) < LOOK_BACK;
        missed.behind = page.last().map_or(behind, |row| row.id);
        let mut bodies = Vec::new();
        for row in page {
            self.tell(&mut missed, row, &mut bodies);
        }
        if is_last && let Some(live) = missed.live.take() {
            bodies.push(self.as_it_is(live));
        }
        let newest = bodies.len().checked_sub(1).filter(|_| is_last);
        for message in missed.fresh.drain(..) {
            self.lately.note(missed.resumed, message);
        }
        let resumed = self.lately.place(missed.resumed);
        self.ready.extend(bodies.into_iter().enumerate().map(|(index, body)| Told {
            place: if Some(index) == newest { resumed.clone() } else { missed.lost.clone() },
            conversation,
            body,
        }));
        self.missed = (!is_last).then_some(missed);
        Ok(())
    }

    /// What one message's row says to somebody who was not there. A message joined when it was stored, and a reply was over when its row
    /// was last changed; of what falls into the margin, the watcher's place says whether it was told.
    fn tell(&mut self, missed: &mut Missed, row: TurnRow, bodies: &mut Vec<Body>) {
        match (row.role, row.status) {
            (MessageRole::Assistant, MessageStatus::Pending) => {}
            (MessageRole::Assistant, MessageStatus::Streaming) => {
                // One that began after the place where the log goes on is in the log from its start.
                if let Some(live) = missed.live.take_if(|(message, _)| *message == row.id) {
                    bodies.push(self.as_it_is(live));
                }
            }
            // What it says of itself, without being asked, is a message as any other.
            (MessageRole::Assistant, _) if row.reply_to_id.is_some() => {
                missed.live.take_if(|(message, _)| *message == row.id);
                if !missed.has_end_of(&row) {
                    self.note(missed, &row);
                    bodies.push(Body::ReplySnapshot { message: row.id, text: row.content.clone() });
                    bodies.push(Body::of_finished(row));
                }
            }
            _ => {
                if row.created_at > missed.since() && !missed.lost.told.contains(&row.id) {
                    self.note(missed, &row);
                    bodies.push(Body::MessageAdded(Arc::new(row.message)));
                }
            }
        }
    }

    /// The text so far of a reply that is being written. Whoever was told that it had failed is told how it goes on.
    fn as_it_is(&mut self, (message, text): (MessageId, String)) -> Body {
        self.told.remove(&message);
        self.lately.forget(message);
        Body::ReplySnapshot { message, text }
    }

    /// Notes that a row is told by a look-up.
    fn note(&mut self, missed: &mut Missed, row: &TurnRow) {
        let resumed = missed.resumed.time();
        if row.updated_at > resumed - TOLD_TWICE {
            self.told.insert(row.id, row.updated_at);
        }
        if row.updated_at > resumed - MARGIN {
            missed.fresh.push(row.id);
        }
    }
}

/// Everything in a conversation, until the watcher goes. A watcher that starts afresh first gets the text so far of a
/// reply in progress.
pub(super) fn conversation(
    cx: TenantCx,
    watcher: Watcher,
    after: Option<&Place>,
) -> impl Stream<Item = Outcome<Told>> + Send + use<> {
    let live = if after.is_none() { watcher.live() } else { None };
    let (conversation, cursor) = (watcher.conversation(), watcher.place());
    let mut follower = Follower::new(cx, watcher, after);
    if let Some((message, text)) = live {
        let place = follower.lately.place(cursor);
        follower.ready.push_back(Told { place, conversation, body: Body::ReplySnapshot { message, text } });
    }
    stream::unfold(Some(follower), |follower| async move {
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
) -> Outcome<impl Stream<Item = Outcome<Told>> + Send + use<>> {
    let (question, reply) = (accepted.message.id, accepted.reply.as_ref().map(|row| row.id));
    let ready = if accepted.is_new { VecDeque::new() } else { told_again(&cx, &watcher, accepted).await? };
    let mut follower = Follower::new(cx, watcher, ready.back().map(|told| &told.place));
    follower.ready = ready;
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
async fn told_again(cx: &TenantCx, watcher: &Watcher, accepted: Accepted) -> Outcome<VecDeque<Told>> {
    let (conversation, question) = (accepted.conversation.id, accepted.message.id);
    // What the log does not know of lies before it, and from there it is looked up.
    let asked = watcher
        .place_of(|body| matches!(body, Body::MessageAdded(row) if row.id == question))
        .unwrap_or_else(|| Cursor::at(accepted.message.created_at - MARGIN));
    let behind = |cursor: Cursor, known: &[MessageId]| {
        let mut lately = lately(watcher, cursor);
        for message in known {
            lately.note(cursor, *message);
        }
        lately.place(cursor)
    };
    let told = |place: &Place, body: Body| Told { place: place.clone(), conversation, body };
    let asked = behind(asked, &[question]);
    let mut events = VecDeque::from([told(&asked, Body::MessageAdded(Arc::new(accepted.message)))]);
    // Looked at after the watcher was set up: an end that this misses will be heard.
    let reply: Option<TurnRow> = cx.read(async |tx| messages::reply_to(tx, question).await).await?;
    match reply {
        Some(row) if matches!(row.status, MessageStatus::Pending | MessageStatus::Streaming) => {
            if let Some((message, text)) = watcher.live().filter(|(message, _)| *message == row.id) {
                let so_far = behind(watcher.place(), &[question]);
                events.push_back(told(&so_far, Body::ReplySnapshot { message, text }));
            }
        }
        Some(row) => {
            let ended = watcher.place_of(|body| body.ends_reply() && body.message() == row.id);
            let ended = behind(ended.unwrap_or(watcher.place()), &[question, row.id]);
            events.push_back(told(&asked, Body::ReplySnapshot { message: row.id, text: row.content.clone() }));
            events.push_back(told(&ended, Body::of_finished(row)));
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
