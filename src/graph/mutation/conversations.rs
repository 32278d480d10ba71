//! Conversations and their messages.

use async_graphql::{Context, ID, Object, Result};

use crate::{
    domain::conversations,
    graph::{
        auth::{Access, auth},
        context,
        types::{
            conversation::{Conversation, StartConversationInput, UpdateConversationInput},
            message::{Message, SendMessageInput, SendMessagePayload},
        },
    },
    kernel::ids,
};

#[derive(Default)]
pub struct ConversationMutation;

#[Object]
impl ConversationMutation {
    /// Opens a conversation.
    #[graphql(directive = auth::apply(Access::User))]
    async fn start_conversation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The conversation to be.")] input: StartConversationInput,
    ) -> Result<Conversation> {
        let cx = &context::tenant(ctx)?.renewed();
        let row = conversations::start(cx, &input.try_into()?).await?;
        Ok(Conversation { row, cx: cx.clone() })
    }

    /// Hands a conversation to a person or back to the assistant, closes it, or says what it is about.
    #[graphql(directive = auth::apply(Access::User))]
    async fn update_conversation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, such as `conversation_5`.")] id: ID,
        #[graphql(desc = "What to change.")] input: UpdateConversationInput,
    ) -> Result<Conversation> {
        let cx = &context::tenant(ctx)?.renewed();
        let row = conversations::update(cx, ids::parse(&id, "id")?, &input.try_into()?).await?;
        Ok(Conversation { row, cx: cx.clone() })
    }

    /// Sends a message without following the reply. In a conversation that a person answers, what
    /// the tenant's people send is the person's answer. A website visitor sends to their own conversation.
    #[graphql(directive = auth::apply(Access::Visitor))]
    async fn send_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The message.")] input: SendMessageInput,
    ) -> Result<SendMessagePayload> {
        let cx = &context::tenant(ctx)?.renewed();
        let accepted = context::engine(ctx)?.send(cx, input.try_into()?).await?;
        Ok(SendMessagePayload::new(accepted, cx))
    }

    /// Stops a reply; what was written is kept. Stopping one that has ended changes nothing.
    #[graphql(directive = auth::apply(Access::Visitor))]
    async fn stop_reply(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The reply, such as `message_12`.")] message_id: ID,
    ) -> Result<Message> {
        let cx = &context::tenant(ctx)?.renewed();
        let row = context::engine(ctx)?.stop(cx, ids::parse(&message_id, "messageId")?).await?;
        Ok(Message { row: row.into(), cx: cx.clone() })
    }
}
