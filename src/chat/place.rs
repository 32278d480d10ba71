//! Where a watcher stands, in the form in which it is told so. What the log has forgotten is looked up by when it was stored, which is
//! a little before it was told: so a place also names what was told in the seconds before it. Must not know a log, nor a database.

use std::{collections::VecDeque, fmt, sync::Arc};

use chrono::TimeDelta;

use crate::{
    chat::events::{Body, Cursor, Event, no_cursor},
    kernel::{
        failure::Refusal,
        ids::{ConversationId, MessageId},
    },
};

/// How long before its event a row may have been stamped.
pub(super) const MARGIN: TimeDelta = TimeDelta::seconds(5);
/// Messages that a place names at the most. Of more in so short a time, some may be told again.
const NAMED_MAX: usize = 16;

/// A place in a conversation's stream, as a watcher holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Behind which event it is.
    pub(super) cursor: Cursor,
    /// Messages that were told shortly before, and replies whose end was.
    pub(super) told: Arc<[MessageId]>,
}

impl Place {
    /// Reads a place that a client held. One that names nothing is good too: it begins a visitor's session.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` naming `after`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let mut parts = text.split('.');
        let cursor = Cursor::parse(parts.next().unwrap_or_default())?;
        let told: Option<Arc<[MessageId]>> = parts.take(NAMED_MAX + 1).map(message).collect();
        let told = told.filter(|told| told.len() <= NAMED_MAX).ok_or_else(no_cursor)?;
        Ok(Self { cursor, told })
    }
}

fn message(digits: &str) -> Option<MessageId> {
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().map(MessageId)
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cursor)?;
        self.told.iter().try_for_each(|message| write!(f, ".{}", message.0))
    }
}

/// An event as a watcher is told it.
#[derive(Debug, Clone)]
pub struct Told {
    /// Where the watcher stands behind it.
    pub place: Place,
    /// Where it happened.
    pub conversation: ConversationId,
    /// What happened.
    pub body: Body,
}

/// What a watcher was told lately.
#[derive(Debug, Default)]
pub(super) struct Lately {
    /// Messages, and replies whose end was told; with when, in milliseconds, the oldest first.
    told: VecDeque<(i64, MessageId)>,
    /// The same, as places name them.
    names: Option<Arc<[MessageId]>>,
}

impl Lately {
    /// Takes note of an event.
    pub(super) fn hear(&mut self, event: &Event) {
        let message = event.body.message();
        match event.body {
            Body::MessageAdded(_) | Body::ReplyCompleted { .. } | Body::ReplyFailed { .. } => {
                self.note(event.cursor, message);
            }
            // One that had failed is written anew, and ends once more.
            Body::ReplyStarted(_) => self.forget(message),
            Body::ReplyDelta { .. } | Body::ReplySnapshot { .. } | Body::ToolCalled { .. } => {}
        }
    }

    /// Takes note that a reply is written anew.
    pub(super) fn forget(&mut self, message: MessageId) {
        self.told.retain(|(_, told)| *told != message);
        self.names = None;
    }

    /// Takes note of a message that was told at a place, or before.
    pub(super) fn note(&mut self, at: Cursor, message: MessageId) {
        if self.told.iter().all(|(_, told)| *told != message) {
            self.told.push_back((at.millis, message));
            self.names = None;
        }
    }

    /// The place behind `cursor`, with what was told shortly before.
    pub(super) fn place(&mut self, cursor: Cursor) -> Place {
        let since = cursor.millis - MARGIN.num_milliseconds();
        while self.told.len() > NAMED_MAX || self.told.front().is_some_and(|(at, _)| *at < since) {
            self.told.pop_front();
            self.names = None;
        }
        let names = self.names.get_or_insert_with(|| self.told.iter().map(|(_, message)| *message).collect());
        Place { cursor, told: names.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{db::tables::messages::MessageRow, kernel::vocabulary::FinishReason};

    fn at(millis: i64) -> Cursor {
        Cursor { millis, number: 0 }
    }

    fn event(millis: i64, message: i64, body: impl FnOnce(Arc<MessageRow>) -> Body) -> Event {
        let row = serde_json::json!({
            "id": message, "conversation_id": 7, "role": "ASSISTANT", "status": "COMPLETE", "content": "", "sources": [],
            "created_at": "2026-11-21T12:00:00Z", "updated_at": "2026-11-21T12:00:00Z",
        });
        let body = body(Arc::new(serde_json::from_value(row).expect("a row")));
        Event { cursor: at(millis), conversation: ConversationId(7), body }
    }

    fn ended(message: Arc<MessageRow>) -> Body {
        Body::ReplyCompleted { message, finish: FinishReason::Stop }
    }

    #[test]
    fn a_place_names_what_was_told_in_the_seconds_before_it() {
        let mut lately = Lately::default();
        let mut told = |event: Event| {
            lately.hear(&event);
            lately.place(event.cursor).to_string()
        };
        assert_eq!(told(event(10_000, 1, Body::MessageAdded)), "10000-0.1");
        assert_eq!(told(event(11_000, 2, Body::ReplyStarted)), "11000-0.1");
        assert_eq!(told(event(12_000, 2, ended)), "12000-0.1.2");
        assert_eq!(told(event(12_000, 2, ended)), "12000-0.1.2", "an end that is told again is one");
        assert_eq!(told(event(15_001, 2, Body::ReplyStarted)), "15001-0", "it is written anew");
        assert_eq!(told(event(16_000, 2, ended)), "16000-0.2");
        for message in 3..40 {
            told(event(16_000, message, Body::MessageAdded));
        }
        let many = told(event(16_000, 40, Body::MessageAdded));
        assert!(many.starts_with("16000-0.25.26.") && many.ends_with(".39.40"), "{many}");
        assert_eq!(Place::parse(&many).map(|place| place.to_string()), Ok(many));
    }

    #[test]
    fn what_is_no_place_is_refused() {
        assert_eq!(Place::parse("1-2"), Ok(Place { cursor: Cursor { millis: 1, number: 2 }, told: Arc::default() }));
        let too_many = format!("1-2{}", ".3".repeat(NAMED_MAX + 1));
        for broken in
            ["", "1", ".1", "1-2.", "1-2.x", "1-2.-3", "1-2.3.", "1-2.99999999999999999999", too_many.as_str()]
        {
            assert!(Place::parse(broken).is_err(), "{broken:?}");
        }
    }
}
