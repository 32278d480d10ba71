//! The subscription root.

use async_graphql::{Context, ID, Result};
use futures_util::{Stream, StreamExt};

use crate::{
    chat::{Cursor, MessageForm},
    graph::{
        auth::{Access, auth},
        context,
        types::{chat_event::ChatEvent, message::SendMessageInput},
    },
    kernel::ids,
};

/// Everything that can be followed.
pub struct Subscription;

/// Everything that can be followed.
#[async_graphql::Subscription]
impl Subscription {
    /// Sends a message and follows its reply. First comes MessageAdded with the message itself; the stream ends after
    /// ReplyCompleted or ReplyFailed, or at once where a person answers. The reply goes on when you leave.
    #[graphql(directive = auth::apply(Access::User))]
    async fn chat(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The message.")] input: SendMessageInput,
    ) -> Result<impl Stream<Item = Result<ChatEvent>> + use<>> {
        let cx = context::tenant(ctx)?.clone();
        let form = MessageForm::try_from(input)?;
        let events = context::engine(ctx)?.chat(&cx, form).await?;
        Ok(events.map(move |event| Ok(ChatEvent::new(event?, &cx))))
    }

    /// Watches a conversation until you leave. `after` goes on behind a cursor, nothing lost and nothing twice; without
    /// it, the stream begins now, with a ReplySnapshot of a reply in progress.
    #[graphql(directive = auth::apply(Access::User))]
    async fn conversation_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which conversation.")] conversation_id: ID,
        #[graphql(desc = "The cursor of the last event that you have.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<ChatEvent>> + use<>> {
        let cx = context::tenant(ctx)?.clone();
        let id = ids::parse(&conversation_id, "conversationId")?;
        let after = after.as_deref().map(Cursor::parse).transpose()?;
        let events = context::engine(ctx)?.watch(&cx, id, after).await?;
        Ok(events.map(move |event| Ok(ChatEvent::new(event?, &cx))))
    }
}
