//! A conversation's log of events: bounded, in order, the same on every node. Must not know how it travels.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    chat::{
        events::{Body, Cursor, Event},
        hub::run::{Piece, joined},
    },
    kernel::ids::{ConversationId, MessageId},
};

/// Events that a log keeps.
pub(super) const KEPT_EVENTS: usize = 4_096;
/// Bytes that a log keeps, roughly.
const KEPT_BYTES: usize = 512 * 1024;
/// A watcher that is further behind than this gets deltas joined together.
const FAR_BEHIND: usize = 64;
/// Ended replies whose stragglers are recognised.
const KEPT_ENDS: usize = 64;

/// A reply that is being written.
#[derive(Debug, Clone)]
struct Live {
    message: MessageId,
    /// Its text up to `since`; the rest is in the log's pieces.
    text: String,
    since: Cursor,
}

impl Live {
    /// Takes what a piece of the log has of the text into it.
    fn read(&mut self, piece: &Piece) {
        self.text.push_str(piece.text_of(self.message, self.since));
        self.since = self.since.max(piece.last());
    }
}

/// An event as the nodes share it: linked to the one before, so that a gap shows.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) cursor: Cursor,
    /// The entry before it.
    pub(super) before: Cursor,
    pub(super) note: Note,
}

/// What an entry says.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Note {
    /// Something happened.
    Event(Body),
    /// The log begins here.
    Birth,
    /// A node was cut off and has told its own watchers more than the log holds: what came before is to be looked up.
    Gap {
        /// The reply that it writes, if it does, and the text so far.
        live: Option<(MessageId, String)>,
        /// Replies of which it knows the end.
        ended: Vec<MessageId>,
    },
}

/// What became of an entry that came in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Applied {
    /// It is in the log now, or was.
    Yes,
    /// Entries before it are missing.
    Gap,
}

pub(super) struct Log {
    pub(super) conversation: ConversationId,
    pieces: VecDeque<Piece>,
    /// Events in all pieces.
    events: usize,
    bytes: usize,
    /// Everything behind this place is in `pieces`.
    floor: Cursor,
    /// The place of the newest event.
    pub(super) last: Cursor,
    /// The newest entry that came from the other nodes' common log. Behind `last` only while this node is cut off.
    pub(super) chain: Cursor,
    /// Counts the times when the log was begun anew: a place in an older one is no place in this.
    pub(super) edition: u64,
    /// Events were added here that the common log does not hold.
    pub(super) is_split: bool,
    live: Option<Live>,
    ended: VecDeque<MessageId>,
    pub(super) touched: DateTime<Utc>,
}

impl Log {
    pub(super) fn new(conversation: ConversationId, now: DateTime<Utc>) -> Self {
        let place = Cursor::at(now);
        Self {
            conversation,
            pieces: VecDeque::new(),
            events: 0,
            bytes: 0,
            floor: place,
            last: place,
            chain: place,
            edition: 0,
            is_split: false,
            live: None,
            ended: VecDeque::new(),
            touched: now,
        }
    }

    /// Adds an event of this node's own that no other node will hear of.
    pub(super) fn append(&mut self, now: DateTime<Utc>, body: Body) {
        let place = self.last.next(now);
        self.touched = now;
        self.add(place, body);
    }

    /// Takes in an entry of the common log. What this node `writes` itself, it knows best.
    pub(super) fn apply(&mut self, now: DateTime<Utc>, entry: Entry, writes: &impl Fn(MessageId) -> bool) -> Applied {
        if entry.cursor <= self.chain {
            return Applied::Yes;
        }
        if entry.before != self.chain || self.is_split {
            return Applied::Gap;
        }
        self.touched = now;
        self.chain = entry.cursor;
        match entry.note {
            Note::Event(body) => self.add(entry.cursor, body),
            Note::Birth => self.begin_anew(entry.cursor),
            Note::Gap { live: theirs, ended } => {
                self.begin_anew(entry.cursor);
                self.live.take_if(|live| ended.contains(&live.message));
                if !self.live.as_ref().is_some_and(|live| writes(live.message))
                    && let Some((message, text)) = theirs
                {
                    self.begin(Live { message, text, since: entry.cursor });
                }
            }
        }
        Applied::Yes
    }

    /// Takes the whole common log in the place of what is here.
    pub(super) fn replace(
        &mut self,
        now: DateTime<Utc>,
        entries: Vec<Entry>,
        live: Option<(MessageId, String)>,
        writes: &impl Fn(MessageId) -> bool,
    ) {
        let Some(first) = entries.first() else { return };
        self.gather_live();
        let ours = self.live.take().filter(|live| writes(live.message));
        self.begin_anew(first.before);
        self.chain = first.before;
        self.is_split = false;
        for entry in entries {
            // Trimmed in between: what is left of the log begins here.
            if entry.before != self.chain {
                self.begin_anew(entry.before);
                self.chain = entry.before;
            }
            self.apply(now, entry, writes);
        }
        self.live = None;
        if let Some((message, text)) = ours.map(|live| (live.message, live.text)).or(live) {
            self.begin(Live { message, text, since: self.last });
        }
    }

    /// What the other nodes are to know after a time alone.
    pub(super) fn gap(&self, writes: &impl Fn(MessageId) -> bool) -> Note {
        let live = self.live().filter(|(message, _)| writes(*message));
        Note::Gap { live, ended: self.ended.iter().copied().collect() }
    }

    /// After a time alone: what is here stands, and goes on behind `place` of the common log.
    pub(super) fn rejoin(&mut self, place: Cursor) {
        self.chain = place;
        self.last = place;
        self.is_split = false;
    }

    /// Keeps of a time alone what the other nodes are to know of it, and no event.
    pub(super) fn shed(&mut self) {
        self.begin_anew(self.last);
    }

    fn begin_anew(&mut self, at: Cursor) {
        self.gather_live();
        self.pieces.clear();
        (self.events, self.bytes) = (0, 0);
        self.floor = at;
        self.last = at;
        self.edition += 1;
    }

    /// A reply is being written. One that had failed is written anew, under the same id.
    fn begin(&mut self, live: Live) {
        self.ended.retain(|ended| *ended != live.message);
        self.live = Some(live);
    }

    fn add(&mut self, cursor: Cursor, body: Body) {
        self.last = cursor;
        let message = body.message();
        if let Body::ReplyStarted(row) = &body {
            // Its deltas are read from the pieces behind this. Of a text whose beginning is not known, no end is offered as the whole.
            self.begin(Live { message, text: row.content.clone(), since: cursor });
        }
        if self.ended.contains(&message) {
            // From a node that had not heard of the end yet.
            return;
        }
        if body.ends_reply() {
            self.live.take_if(|live| live.message == message);
            self.ended.push_back(message);
            if self.ended.len() > KEPT_ENDS {
                self.ended.pop_front();
            }
        }
        self.events += 1;
        let rest = match self.pieces.back_mut() {
            Some(piece) => piece.take_in(cursor, body),
            None => Err(body),
        };
        match rest {
            Ok(bytes) => self.bytes += bytes,
            Err(body) => {
                let piece = Piece::new(Event { cursor, conversation: self.conversation, body });
                self.bytes += piece.size();
                self.pieces.push_back(piece);
            }
        }
        while self.events > KEPT_EVENTS || self.bytes > KEPT_BYTES {
            let Some(dropped) = self.pieces.pop_front() else { break };
            self.events -= dropped.len();
            self.bytes -= dropped.size();
            self.floor = dropped.last();
            if let Some(live) = &mut self.live {
                live.read(&dropped);
            }
        }
    }

    /// Takes what the pieces have of the reply that is being written out of them, before they go.
    fn gather_live(&mut self) {
        if let Some(live) = &mut self.live {
            self.pieces.iter().for_each(|piece| live.read(piece));
        }
    }

    /// Whether all that happened behind `place` is here.
    pub(super) fn reaches(&self, place: Cursor) -> bool {
        place >= self.floor
    }

    /// The place of the newest event that `is_it`, as far as the log goes back. Deltas are not looked at.
    pub(super) fn place_of(&self, is_it: impl Fn(&Body) -> bool) -> Option<Cursor> {
        self.pieces.iter().rev().find_map(|piece| match piece {
            Piece::Event(event) if is_it(&event.body) => Some(event.cursor),
            _ => None,
        })
    }

    /// What happened from `since` to `until`, as far as the log goes back. Deltas are left out.
    pub(super) fn between(&self, since: Cursor, until: Cursor) -> Vec<Event> {
        let first = self.pieces.partition_point(|piece| piece.last() < since);
        let events = self.pieces.range(first..).filter_map(|piece| match piece {
            Piece::Event(event) if event.cursor <= until => Some(event.clone()),
            _ => None,
        });
        events.collect()
    }

    /// What happened behind `place`; of a watcher that is far behind, in bigger bites.
    pub(super) fn behind(&self, place: Cursor) -> Vec<Event> {
        let behind = self.pieces.partition_point(|piece| piece.last() <= place);
        let pieces = || self.pieces.range(behind..);
        let count = pieces().map(|piece| piece.len_behind(place)).sum();
        if count > FAR_BEHIND {
            return joined(pieces().map(|piece| piece.whole_behind(self.conversation, place)));
        }
        let mut events = Vec::with_capacity(count);
        pieces().for_each(|piece| piece.behind(self.conversation, place, &mut events));
        events
    }

    #[cfg(test)]
    pub(super) fn places(&self) -> Vec<Cursor> {
        let mut events = Vec::new();
        self.pieces.iter().for_each(|piece| piece.behind(self.conversation, Cursor::ZERO, &mut events));
        events.iter().map(|event| event.cursor).collect()
    }

    /// The reply that is being written, where nothing was heard for longer than `silence`: then it counts as heard of now.
    pub(super) fn silent(&mut self, now: DateTime<Utc>, silence: TimeDelta) -> Option<MessageId> {
        let live = self.live.as_ref().filter(|_| now - self.touched > silence)?.message;
        self.touched = now;
        Some(live)
    }

    /// The reply that is being written, and its text so far.
    pub(super) fn live(&self) -> Option<(MessageId, String)> {
        let mut live = self.live.clone()?;
        self.pieces.iter().for_each(|piece| live.read(piece));
        Some((live.message, live.text))
    }
}

#[cfg(test)]
mod tests;
