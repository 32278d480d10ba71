//! What a log is made of: events, and runs of deltas. A reply is hundreds of deltas, and each would be a text of its own for as long as
//! the log keeps it; a run is one text, and of each delta where it ends. Must not know what is kept, nor for how long.

use std::ops::Range;

use crate::{
    chat::events::{Body, Cursor, Event},
    kernel::ids::{ConversationId, MessageId},
};

/// Deltas of one run at the most. A log forgets whole runs.
const DELTAS_MAX: usize = 128;
/// Bytes after which a run takes no more.
const BYTES_MAX: usize = 16 * 1024;

/// A part of a log.
pub(super) enum Piece {
    /// One event, which is no delta.
    Event(Event),
    /// Deltas of one reply with nothing between them.
    Run(Run),
}

/// Deltas of one reply.
pub(super) struct Run {
    message: MessageId,
    text: String,
    ends: Vec<End>,
}

/// Where a delta ends. Its place is in parts, since a cursor beside anything would take half as much again.
struct End {
    millis: i64,
    number: u32,
    /// How much of the text there is with it, in bytes.
    until: u32,
}

impl End {
    fn new(Cursor { millis, number }: Cursor, text: &str) -> Self {
        // A run holds some kilobytes and one more delta.
        Self { millis, number, until: u32::try_from(text.len()).unwrap_or(u32::MAX) }
    }

    const fn cursor(&self) -> Cursor {
        Cursor { millis: self.millis, number: self.number }
    }

    const fn until(&self) -> usize {
        self.until as usize
    }
}

impl Piece {
    pub(super) fn new(event: Event) -> Self {
        match event.body {
            Body::ReplyDelta { message, text } => {
                Self::Run(Run { message, ends: vec![End::new(event.cursor, &text)], text })
            }
            body => Self::Event(Event { body, ..event }),
        }
    }

    /// Takes a delta of the same reply that follows; gives the bytes that it grew by, or back what it does not take.
    pub(super) fn take_in(&mut self, cursor: Cursor, body: Body) -> Result<usize, Body> {
        match (self, body) {
            (Self::Run(run), Body::ReplyDelta { message, text }) if run.is_open_for(message) => {
                let before = run.size();
                run.text.push_str(&text);
                run.ends.push(End::new(cursor, &run.text));
                Ok(run.size() - before)
            }
            (_, body) => Err(body),
        }
    }

    /// The place of its last event.
    pub(super) fn last(&self) -> Cursor {
        match self {
            Self::Event(event) => event.cursor,
            Self::Run(run) => run.last(),
        }
    }

    /// How many events it is.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Event(_) => 1,
            Self::Run(run) => run.ends.len(),
        }
    }

    /// Roughly how much memory it holds, in bytes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Event(event) => event.size(),
            Self::Run(run) => run.size(),
        }
    }

    /// How many of its events are behind `place`.
    pub(super) fn len_behind(&self, place: Cursor) -> usize {
        match self {
            Self::Event(event) => usize::from(event.cursor > place),
            Self::Run(run) => run.ends.len() - run.known(place),
        }
    }

    /// Adds its events behind `place`.
    pub(super) fn behind(&self, conversation: ConversationId, place: Cursor, events: &mut Vec<Event>) {
        match self {
            Self::Event(event) if event.cursor > place => events.push(event.clone()),
            Self::Event(_) => {}
            Self::Run(run) => run.behind(conversation, place, events),
        }
    }

    /// As [`Piece::behind`], of a run as one event. It must have one behind `place`.
    pub(super) fn whole_behind(&self, conversation: ConversationId, place: Cursor) -> Event {
        match self {
            Self::Event(event) => event.clone(),
            Self::Run(run) => run.delta(conversation, run.last(), run.text_behind(place)),
        }
    }

    /// What it has of a reply's text behind `place`.
    pub(super) fn text_of(&self, message: MessageId, place: Cursor) -> &str {
        match self {
            Self::Run(run) if run.message == message => run.text_behind(place),
            _ => "",
        }
    }
}

impl Run {
    fn is_open_for(&self, message: MessageId) -> bool {
        self.message == message && self.ends.len() < DELTAS_MAX && self.text.len() < BYTES_MAX
    }

    fn last(&self) -> Cursor {
        self.ends.last().map_or(Cursor::ZERO, End::cursor)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.text.len() + size_of_val(self.ends.as_slice())
    }

    /// How many of its deltas are not behind `place`.
    fn known(&self, place: Cursor) -> usize {
        self.ends.partition_point(|end| end.cursor() <= place)
    }

    /// Where the delta of a number begins.
    fn start(&self, number: usize) -> usize {
        number.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, End::until)
    }

    fn behind(&self, conversation: ConversationId, place: Cursor, events: &mut Vec<Event>) {
        let known = self.known(place);
        let mut start = self.start(known);
        for end in self.ends.iter().skip(known) {
            events.push(self.delta(conversation, end.cursor(), self.cut(start..end.until())));
            start = end.until();
        }
    }

    fn text_behind(&self, place: Cursor) -> &str {
        self.cut(self.start(self.known(place))..self.text.len())
    }

    /// Deltas are texts, so that each ends where a character does.
    fn cut(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }

    fn delta(&self, conversation: ConversationId, cursor: Cursor, text: &str) -> Event {
        Event { cursor, conversation, body: Body::ReplyDelta { message: self.message, text: text.to_owned() } }
    }
}

/// Deltas of one reply that follow each other, as one.
pub(super) fn joined(events: impl Iterator<Item = Event>) -> Vec<Event> {
    let mut fewer: Vec<Event> = Vec::new();
    for event in events {
        if let Some(last) = fewer.last_mut()
            && last.body.joins(&event.body)
        {
            last.cursor = event.cursor;
            continue;
        }
        fewer.push(event);
    }
    fewer
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACE: ConversationId = ConversationId(7);

    fn any_body() -> impl Strategy<Value = Body> {
        let message = (1..3_i64).prop_map(MessageId);
        prop_oneof![
            9 => (message.clone(), ".{0,4}").prop_map(|(message, text)| Body::ReplyDelta { message, text }),
            1 => message.prop_map(|message| Body::ToolCalled { message, name: "capture_lead".to_owned() }),
        ]
    }

    fn told(events: &[Event]) -> Vec<(Cursor, String)> {
        events.iter().map(|event| (event.cursor, format!("{:?}", event.body))).collect()
    }

    proptest! {
        #[test]
        fn what_is_read_from_any_place_is_what_was_put_in(bodies in prop::collection::vec(any_body(), 1..400), from in 0..400_u32) {
            let place = |number| Cursor { millis: 1, number };
            let mut pieces: Vec<Piece> = Vec::new();
            let mut events = Vec::new();
            for (number, body) in (1..).zip(bodies) {
                events.push(Event { cursor: place(number), conversation: PLACE, body: body.clone() });
                let before = pieces.last().map_or(0, Piece::size);
                match pieces.last_mut().map_or(Err(body.clone()), |piece| piece.take_in(place(number), body)) {
                    Ok(grown) => prop_assert_eq!(pieces.last().map_or(0, Piece::size), before + grown),
                    Err(body) => pieces.push(Piece::new(Event { cursor: place(number), conversation: PLACE, body })),
                }
            }
            prop_assert_eq!(pieces.iter().map(Piece::len).sum::<usize>(), events.len());
            let from = place(from);
            let expected: Vec<_> = events.into_iter().filter(|event| event.cursor > from).collect();
            let mut behind = Vec::new();
            for piece in &pieces {
                piece.behind(PLACE, from, &mut behind);
            }
            prop_assert_eq!(told(&behind), told(&expected));
            prop_assert_eq!(pieces.iter().map(|piece| piece.len_behind(from)).sum::<usize>(), expected.len());
            let ahead = pieces.iter().filter(|piece| piece.last() > from);
            let bites = joined(ahead.map(|piece| piece.whole_behind(PLACE, from)));
            prop_assert_eq!(told(&bites), told(&joined(expected.into_iter())));
        }
    }
}
