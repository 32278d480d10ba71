//! `ChatEvent` and what it can be.

use async_graphql::{Context, ID, Interface, OutputType, SimpleObject};

use crate::{
    chat::{Body, Told},
    context::TenantCx,
    graph::{
        plain::{Plain, plain},
        types::message::Message,
    },
    kernel::{
        failure::ErrorCode,
        vocabulary::{FinishReason, ReplyFailure},
    },
};

/// Something that happened in a conversation.
#[derive(Interface)]
#[graphql(
    field(name = "cursor", ty = "&String", desc = "Its place in the stream; for `conversationEvents(after:)`."),
    field(name = "conversation_id", ty = "&ID", desc = "Where it happened.")
)]
pub enum ChatEvent {
    MessageAdded(MessageAdded),
    ReplyStarted(ReplyStarted),
    ReplyDelta(ReplyDelta),
    ToolCalled(ToolCalled),
    ReplySnapshot(ReplySnapshot),
    ReplyCompleted(ReplyCompleted),
    ReplyFailed(ReplyFailed),
}

/// A message joined the conversation.
#[derive(SimpleObject)]
pub struct MessageAdded {
    /// Its place in the stream.
    cursor: String,
    /// Where it happened.
    conversation_id: ID,
    /// The message.
    message: Message,
}

/// The assistant began to write.
#[derive(SimpleObject)]
pub struct ReplyStarted {
    /// Its place in the stream.
    cursor: String,
    /// Where it happened.
    conversation_id: ID,
    /// The reply, still empty.
    message: Message,
}

/// Some more of a reply. Append `text` to what you hold.
#[derive(SimpleObject)]
pub struct ReplyDelta {
    /// Its place in the stream.
    cursor: String,
    /// Where it happened.
    conversation_id: ID,
    /// The reply.
    message_id: ID,
    /// What to append.
    text: String,
}

/// The assistant uses a tool before it goes on.
#[derive(SimpleObject)]
pub struct ToolCalled {
    /// Its place in the stream.
    cursor: String,
    /// Where it happened.
    conversation_id: ID,
    /// The reply.
    message_id: ID,
    /// The tool.
    name: String,
}

/// The text of a reply so far, for a watcher that joins late or was away too long. It replaces what you hold.
#[derive(SimpleObject)]
pub struct ReplySnapshot {
    /// Its place in the stream.
    cursor: String,
    /// Where it happened.
    conversation_id: ID,
    /// The reply.
    message_id: ID,
    /// The whole text so far.
    text: String,
}

/// A reply is over: whole, or stopped on request.
#[derive(SimpleObject)]
pub struct ReplyCompleted {
    /// Its place in the stream.
    cursor: String,
    /// Where it happened.
    conversation_id: ID,
    /// The reply as it is stored.
    message: Message,
    /// Why it ended.
    finish_reason: FinishReason,
}

/// A reply broke off. What was written is kept, and the conversation goes on.
#[derive(SimpleObject)]
pub struct ReplyFailed {
    /// Its place in the stream.
    cursor: String,
    /// Where it happened.
    conversation_id: ID,
    /// The reply as it is stored.
    message: Message,
    /// The code, as errors carry it.
    code: ErrorCode,
    /// Why.
    cause: ReplyFailure,
    /// A sentence for people.
    reason: String,
}

plain!(ReplyDelta {
    "cursor" => cursor,
    "conversationId" => conversation_id,
    "messageId" => message_id,
    "text" => text,
});

plain!(ReplySnapshot {
    "cursor" => cursor,
    "conversationId" => conversation_id,
    "messageId" => message_id,
    "text" => text,
});

/// Of the events, those that come for each token are at hand.
impl Plain for ChatEvent {
    fn plain(&self, ctx: &Context<'_>, out: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::ReplyDelta(event) => event.plain(ctx, out),
            Self::ReplySnapshot(event) => event.plain(ctx, out),
            _ => None,
        }
    }

    fn is_a(&self, name: &str) -> Option<bool> {
        match name {
            "ChatEvent" => Some(true),
            "MessageAdded" | "ReplyStarted" | "ReplyDelta" | "ToolCalled" | "ReplySnapshot" | "ReplyCompleted"
            | "ReplyFailed" => Some(name == self.introspection_type_name()),
            _ => None,
        }
    }
}

impl ChatEvent {
    /// An event as the graph shows it; its rows load what hangs on them afresh.
    pub fn new(event: Told, cx: &TenantCx) -> Self {
        let cursor = event.place.to_string();
        let conversation_id = ID(event.conversation.global());
        let show = |row| Message { row, cx: cx.renewed() };
        match event.body {
            Body::MessageAdded(row) => MessageAdded { cursor, conversation_id, message: show(row) }.into(),
            Body::ReplyStarted(row) => ReplyStarted { cursor, conversation_id, message: show(row) }.into(),
            Body::ReplyDelta { message, text } => {
                ReplyDelta { cursor, conversation_id, message_id: ID(message.global()), text }.into()
            }
            Body::ToolCalled { message, name } => {
                ToolCalled { cursor, conversation_id, message_id: ID(message.global()), name }.into()
            }
            Body::ReplySnapshot { message, text } => {
                ReplySnapshot { cursor, conversation_id, message_id: ID(message.global()), text }.into()
            }
            Body::ReplyCompleted { message, finish } => {
                ReplyCompleted { cursor, conversation_id, message: show(message), finish_reason: finish }.into()
            }
            Body::ReplyFailed { message, code, cause, reason } => {
                ReplyFailed { cursor, conversation_id, message: show(message), code, cause, reason }.into()
            }
        }
    }
}
