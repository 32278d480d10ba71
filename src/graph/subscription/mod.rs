//! The subscription root.

use async_graphql::{Context, ID, Result};
use futures_util::{Stream, StreamExt, future};

use crate::{
    chat::{MessageForm, Place, Told},
    context::TenantCx,
    graph::{
        auth::{Access, auth},
        context,
        plain::Swift,
        types::{chat_event::ChatEvent, message::SendMessageInput},
    },
    kernel::{failure::Outcome, ids},
};

/// Everything that can be followed.
pub struct Subscription;

/// Everything that can be followed.
#[async_graphql::Subscription]
impl Subscription {
    /// Sends a message and follows its reply. First comes MessageAdded with the message itself; the stream ends after
    /// ReplyCompleted or ReplyFailed, or at once where a person answers. The reply goes on when you leave.
    #[graphql(directive = auth::apply(Access::Visitor))]
    async fn chat(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The message.")] input: SendMessageInput,
    ) -> Result<impl Stream<Item = Result<Swift<ChatEvent>>> + use<>> {
        let cx = context::tenant(ctx)?.clone();
        let form = MessageForm::try_from(input)?;
        let events = Box::pin(context::engine(ctx)?.chat(&cx, form)).await?;
        Ok(shown(events, cx))
    }

    /// Watches a conversation until you leave. `after` goes on behind a cursor, nothing lost and nothing twice; without
    /// it, the stream begins now, with a ReplySnapshot of a reply in progress. What the server can't replay any more comes as
    /// whole messages; if you break off amid these, they come again, under the same ids.
    #[graphql(directive = auth::apply(Access::Visitor))]
    async fn conversation_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which conversation.")] conversation_id: ID,
        #[graphql(desc = "The cursor of the last event that you have.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<Swift<ChatEvent>>> + use<>> {
        let cx = context::tenant(ctx)?.clone();
        let id = ids::parse(&conversation_id, "conversationId")?;
        let after = after.as_deref().map(Place::parse).transpose()?;
        let events = Box::pin(context::engine(ctx)?.watch(&cx, id, after.as_ref())).await?;
        Ok(shown(events, cx))
    }
}

/// Events as the graph shows them; to a website visitor, only what is for customers.
fn shown(
    events: impl Stream<Item = Outcome<Told>> + Send,
    cx: TenantCx,
) -> impl Stream<Item = Result<Swift<ChatEvent>>> + Send {
    let is_visitor = cx.scope().bound_to().is_some();
    let told =
        move |event: &Outcome<Told>| !is_visitor || event.as_ref().map_or(true, |event| event.body.is_for_customers());
    events.filter(move |event| future::ready(told(event))).map(move |event| Ok(Swift(ChatEvent::new(event?, &cx))))
}
