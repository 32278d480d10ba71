//! Streams of events for watchers: from a place in the log on, with what was missed looked up in the database. Must not
//! write anything.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::{Stream, stream};

use crate::{
    chat::{
        accept::Accepted,
        events::{Body, Cursor, Event},
        hub::{Reading, Watcher},
    },
    context::TenantCx,
    db::tables::messages::{self, MessageRow},
    kernel::{
        failure::Outcome,
        ids::MessageId,
        vocabulary::{MessageRole, MessageStatus},
    },
};

/// Messages that are looked up for a watcher that was away.
const LOOK_BACK: i64 = 200;

struct Follower {
    cx: TenantCx,
    watcher: Watcher,
    ready: VecDeque<Event>,
}

impl Follower {
    /// The next event; waits for it.
    async fn next(&mut self) -> Outcome<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            match self.watcher.next().await {
                Reading::Events(events) => self.ready.extend(events),
                Reading::Lapsed { lost, resumed, live } => {
                    let missed = self.missed(lost, resumed, live).await?;
                    self.ready.extend(missed);
                }
            }
        }
    }

    /// What the database says happened behind `lost`. Whole texts replace what the watcher holds. All but the last carry
    /// the old place: a watcher that breaks off in between asks from there again rather than losing one.
    async fn missed(&self, lost: Cursor, resumed: Cursor, live: Option<(MessageId, String)>) -> Outcome<Vec<Event>> {
        let conversation = self.watcher.conversation();
        let rows =
            self.cx.read(async |tx| messages::changed_since(tx, conversation, lost.time(), LOOK_BACK).await).await?;
        let mut bodies = Vec::new();
        for row in rows {
            let (id, is_new) = (row.id, row.created_at > lost.time());
            match (row.role, row.status) {
                (MessageRole::Assistant, MessageStatus::Pending) => {}
                (MessageRole::Assistant, MessageStatus::Streaming) => {
                    let held = live.as_ref().filter(|(message, _)| *message == id).map(|(_, text)| text.clone());
                    bodies.push(Body::ReplySnapshot { message: id, text: held.unwrap_or(row.content) });
                }
                (MessageRole::Assistant, _) => {
                    bodies.push(Body::ReplySnapshot { message: id, text: row.content.clone() });
                    bodies.push(Body::of_finished(row));
                }
                _ if is_new => bodies.push(Body::MessageAdded(Arc::new(row))),
                _ => {}
            }
        }
        if let Some((message, text)) = live
            && !bodies.iter().any(|body| body.message() == message)
        {
            bodies.push(Body::ReplySnapshot { message, text });
        }
        let newest = bodies.len().saturating_sub(1);
        Ok(bodies
            .into_iter()
            .enumerate()
            .map(|(index, body)| Event { cursor: if index == newest { resumed } else { lost }, conversation, body })
            .collect())
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
    let conversation = watcher.conversation();
    let ready = live
        .map(|(cursor, message, text)| Event { cursor, conversation, body: Body::ReplySnapshot { message, text } })
        .into_iter()
        .collect();
    stream::unfold(Some(Follower { cx, watcher, ready }), |follower| async move {
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
    let follower = Follower { cx, watcher, ready };
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

/// A message that was sent before: what happened since, in short, as the watcher was not there.
async fn told_again(cx: &TenantCx, watcher: &Watcher, accepted: Accepted) -> Outcome<VecDeque<Event>> {
    let place = watcher.place();
    let conversation = accepted.conversation.id;
    let question = accepted.message.id;
    let mut bodies = vec![Body::MessageAdded(Arc::new(accepted.message))];
    // Looked at after the watcher was set up: an end that this misses will be heard.
    let reply: Option<MessageRow> = cx.read(async |tx| messages::reply_to(tx, question).await).await?;
    match reply {
        Some(row) if matches!(row.status, MessageStatus::Pending | MessageStatus::Streaming) => {
            if let Some((_, message, text)) = watcher.live().filter(|(_, message, _)| *message == row.id) {
                bodies.push(Body::ReplySnapshot { message, text });
            }
        }
        Some(row) => {
            bodies.push(Body::ReplySnapshot { message: row.id, text: row.content.clone() });
            bodies.push(Body::of_finished(row));
        }
        None => {}
    }
    Ok(bodies.into_iter().map(|body| Event { cursor: place, conversation, body }).collect())
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
