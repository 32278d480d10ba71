//! What happens in a conversation, as its watchers hear it.

use std::{fmt, sync::Arc};

use chrono::{DateTime, Utc};

use crate::{
    db::tables::messages::{MessageRow, TurnRow},
    kernel::{
        failure::{ErrorCode, Refusal},
        ids::{ConversationId, MessageId},
        vocabulary::{FinishReason, MessageRole, ReplyFailure},
    },
};

/// A place in a conversation's stream of events: milliseconds, and a number within them. Totally ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// Milliseconds since the epoch.
    pub millis: i64,
    /// Counts the events of one millisecond.
    pub number: u32,
}

impl Cursor {
    /// Before everything.
    pub const ZERO: Self = Self { millis: 0, number: 0 };

    /// The first place at a time.
    #[must_use]
    pub fn at(time: DateTime<Utc>) -> Self {
        Self { millis: time.timestamp_millis(), number: 0 }
    }

    /// The next place, at `time` or, where the clock has not moved on, just behind this one.
    #[must_use]
    pub fn next(self, time: DateTime<Utc>) -> Self {
        let next = Self::at(time);
        if next > self { next } else { Self { number: self.number.saturating_add(1), ..self } }
    }

    /// The time of the place.
    #[must_use]
    pub fn time(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.millis).unwrap_or_default()
    }

    /// Reads a cursor that a client held.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` naming `after`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        text.split_once('-')
            .filter(|(millis, number)| [millis, number].iter().all(|part| part.bytes().all(|b| b.is_ascii_digit())))
            .and_then(|(millis, number)| Some(Self { millis: millis.parse().ok()?, number: number.parse().ok()? }))
            .ok_or_else(no_cursor)
    }
}

pub(super) fn no_cursor() -> Refusal {
    Refusal::input("after", "`after` is not a cursor of a chat event.")
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.millis, self.number)
    }
}

/// One event.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its place.
    pub cursor: Cursor,
    /// Where it happened.
    pub conversation: ConversationId,
    /// What happened.
    pub body: Body,
}

/// What happened. Nodes tell each other in this form.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// A message joined the conversation.
    MessageAdded(Arc<MessageRow>),
    /// The assistant began to write.
    ReplyStarted(Arc<MessageRow>),
    /// Some more of a reply.
    ReplyDelta {
        /// Of which.
        message: MessageId,
        /// What to append.
        text: String,
    },
    /// The assistant uses a tool.
    ToolCalled {
        /// In which reply.
        message: MessageId,
        /// The tool's name.
        name: String,
    },
    /// The text of a reply so far, replacing what the watcher holds.
    ReplySnapshot {
        /// Of which.
        message: MessageId,
        /// The whole text so far.
        text: String,
    },
    /// A reply ended as it should, or was stopped.
    ReplyCompleted {
        /// The reply.
        message: Arc<MessageRow>,
        /// Why it ended.
        finish: FinishReason,
    },
    /// A reply broke off.
    ReplyFailed {
        /// The reply.
        message: Arc<MessageRow>,
        /// The code.
        code: ErrorCode,
        /// Why.
        cause: ReplyFailure,
        /// A sentence for people.
        reason: String,
    },
}

impl Body {
    /// The message that it is about.
    #[must_use]
    pub fn message(&self) -> MessageId {
        match self {
            Self::MessageAdded(row)
            | Self::ReplyStarted(row)
            | Self::ReplyCompleted { message: row, .. }
            | Self::ReplyFailed { message: row, .. } => row.id,
            Self::ReplyDelta { message, .. }
            | Self::ReplySnapshot { message, .. }
            | Self::ToolCalled { message, .. } => *message,
        }
    }

    /// Takes a delta of the same reply that follows this one into it.
    #[must_use]
    pub fn joins(&mut self, next: &Self) -> bool {
        match (self, next) {
            (Self::ReplyDelta { message, text }, Self::ReplyDelta { message: of, text: more }) if message == of => {
                text.push_str(more);
                true
            }
            _ => false,
        }
    }

    /// Whether it is for the customer too: what the machinery notes for itself is not.
    #[must_use]
    pub fn is_for_customers(&self) -> bool {
        match self {
            Self::MessageAdded(row) => !matches!(row.role, MessageRole::System | MessageRole::Tool),
            _ => true,
        }
    }

    /// Whether the reply is over with it.
    #[must_use]
    pub fn ends_reply(&self) -> bool {
        matches!(self, Self::ReplyCompleted { .. } | Self::ReplyFailed { .. })
    }

    /// The event that a finished reply's row stands for.
    #[must_use]
    pub fn of_finished(row: TurnRow) -> Self {
        use crate::kernel::vocabulary::MessageStatus::Failed;
        if row.status == Failed {
            let code = ErrorCode::parse(row.failure_code.as_deref().unwrap_or_default());
            let reason = row.failure_reason.unwrap_or_else(|| "The answer broke off.".to_owned());
            // One that ended without a word on why was ended by another than its writer.
            let cause = row.failure_cause.unwrap_or(ReplyFailure::Internal);
            Self::ReplyFailed { message: Arc::new(row.message), code, cause, reason }
        } else {
            let finish = row.finish_reason.unwrap_or(FinishReason::Stop);
            Self::ReplyCompleted { message: Arc::new(row.message), finish }
        }
    }

    fn size(&self) -> usize {
        128 + match self {
            Self::ReplyDelta { text, .. } | Self::ReplySnapshot { text, .. } => text.len(),
            Self::ToolCalled { name, .. } => name.len(),
            Self::MessageAdded(row) | Self::ReplyStarted(row) => row.content.len(),
            Self::ReplyCompleted { message, .. } | Self::ReplyFailed { message, .. } => message.content.len(),
        }
    }
}

impl Event {
    /// Roughly how much memory it holds, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.body.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_ordered_and_read_back() {
        let noon = DateTime::from_timestamp_millis(1_763_700_000_123).unwrap();
        let first = Cursor::at(noon);
        let second = first.next(noon);
        let third = second.next(noon + chrono::TimeDelta::milliseconds(1));
        // A clock that steps back does not take the order with it.
        let fourth = third.next(noon);
        assert!(first < second && second < third && third < fourth);
        assert_eq!(Cursor::parse(&second.to_string()), Ok(second));
        for broken in ["", "1", "1-", "-1-1", "1-+1", "1-99999999999", "x-1"] {
            assert!(Cursor::parse(broken).is_err(), "{broken:?}");
        }
    }
}
