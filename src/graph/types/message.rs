//! `Message`.

use std::sync::Arc;

use async_graphql::{ID, InputObject, Object, Result, SimpleObject};

use crate::{
    chat::{Accepted, MessageForm},
    context::{TenantCx, View},
    db::tables::messages::MessageRow,
    graph::{
        auth::{Access, auth},
        connection::connection,
        plain::plain,
        scalars::DateTime,
        types::{
            conversation::Conversation, knowledge::RetrievedPassage, mail_delivery::MailDelivery, nullable,
            text_message::TextMessage, user::User,
        },
    },
    kernel::{
        failure::{Failure, Refusal},
        ids,
        vocabulary::{MessageRole, MessageStatus},
    },
};

/// One message of a conversation.
#[derive(Clone)]
pub struct Message {
    /// Shared with whoever holds the same page, or the same event.
    pub row: Arc<MessageRow>,
    pub cx: TenantCx,
}

/// One message of a conversation.
#[Object]
impl Message {
    /// The global id, such as `message_12`.
    pub async fn id(&self) -> ID {
        ID(self.row.id.global())
    }
    /// The conversation it belongs to.
    async fn conversation(&self) -> Result<Conversation> {
        let row = self.cx.loaders().conversation(self.row.conversation_id).await?;
        let row = row.ok_or_else(|| Failure::fault("a message without its conversation"))?;
        Ok(Conversation { row, cx: self.cx.clone() })
    }
    /// Who said it.
    async fn role(&self) -> MessageRole {
        self.row.role
    }
    /// What was said. Of a reply in progress: what was kept so far.
    async fn content(&self) -> &str {
        &self.row.content
    }
    /// How far it has come.
    async fn status(&self) -> MessageStatus {
        self.row.status
    }
    /// The person who sent it: of the tenant, or an administrator of the platform who acted in it. Null for customers who
    /// wrote themselves, for the assistant, and for somebody who has left for another tenant.
    #[graphql(directive = auth::apply(Access::User))]
    async fn author(&self) -> Option<Result<User>> {
        nullable(async || {
            let Some(id) = self.row.author_id else { return Ok(None) };
            Ok(User::load(&View::Tenant(self.cx.clone()), id).await?)
        })
        .await
    }
    /// What a reply used, once it is whole.
    #[graphql(directive = auth::apply(Access::User))]
    async fn tokens(&self) -> Option<TokenUsage> {
        Some(TokenUsage {
            model: self.row.model.clone()?,
            prompt: self.row.prompt_tokens?,
            completion: self.row.completion_tokens?,
        })
    }
    /// SHA-256 of the composed prompt that a reply was written under.
    #[graphql(directive = auth::apply(Access::User))]
    async fn prompt_hash(&self) -> Option<&str> {
        self.row.prompt_hash.as_deref()
    }
    /// The passages that a reply was written from, the best first.
    #[graphql(directive = auth::apply(Access::User))]
    async fn sources(&self) -> Vec<RetrievedPassage> {
        serde_json::from_value(self.row.sources.clone()).unwrap_or_default()
    }
    /// The texts that carried it to the customer's phone, in order. None for what was not sent by text.
    #[graphql(directive = auth::apply(Access::User))]
    async fn texts(&self) -> Result<Vec<TextMessage>> {
        Ok(self.cx.loaders().texts(self.row.id).await?.into_iter().map(TextMessage::from).collect())
    }
    /// The mail that carried it to the customer. Null for what was not sent by mail.
    #[graphql(directive = auth::apply(Access::User))]
    async fn mail(&self) -> Result<Option<MailDelivery>> {
        Ok(self.cx.loaders().mail(self.row.id).await?.map(MailDelivery::from))
    }
    /// The sender's own id for it.
    async fn client_message_id(&self) -> Option<&str> {
        self.row.client_message_id.as_deref()
    }
    /// When it was stored.
    async fn created_at(&self) -> DateTime {
        self.row.created_at.into()
    }
}

plain!(Message {
    "id" => id,
    "role" => role,
    "content" => content,
    "status" => status,
    "promptHash" => prompt_hash,
    "clientMessageId" => client_message_id,
    "createdAt" => created_at,
});

/// Tokens that a reply used.
#[derive(SimpleObject)]
pub struct TokenUsage {
    /// The model that wrote it.
    model: String,
    /// Tokens read.
    prompt: i32,
    /// Tokens written.
    completion: i32,
}

connection!(MessageConnection, MessageEdge of Message, "A page of messages.", "A message and its place in the list.");

/// A message to be sent.
#[derive(InputObject)]
pub struct SendMessageInput {
    /// Where; omitted, a new conversation is opened on the web.
    conversation_id: Option<ID>,
    /// What is said, 1 to 16,000 characters.
    content: String,
    /// An id of your own choosing, unique in the conversation: sent again under it, this is the same message, stored and
    /// answered once. Another message under it is refused with CONFLICT.
    client_message_id: Option<String>,
}

impl TryFrom<SendMessageInput> for MessageForm {
    type Error = Refusal;
    fn try_from(input: SendMessageInput) -> Result<Self, Refusal> {
        Ok(Self {
            conversation: input.conversation_id.map(|id| ids::parse(&id, "conversationId")).transpose()?,
            content: input.content,
            client_message_id: input.client_message_id,
        })
    }
}

/// A message that was stored, and the reply that it gets.
#[derive(SimpleObject)]
pub struct SendMessagePayload {
    /// Where.
    conversation: Conversation,
    /// The message.
    message: Message,
    /// The assistant's reply, which is being written; null where a person answers.
    reply: Option<Message>,
}

impl SendMessagePayload {
    pub fn new(accepted: Accepted, cx: &TenantCx) -> Self {
        let message = |row: MessageRow| Message { row: row.into(), cx: cx.clone() };
        Self {
            conversation: Conversation { row: accepted.conversation, cx: cx.clone() },
            message: message(accepted.message),
            reply: accepted.reply.map(|reply| message(reply.message)),
        }
    }
}
