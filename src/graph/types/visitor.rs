//! `VisitorSession`.

use async_graphql::{InputObject, SimpleObject};
use chrono::TimeDelta;

use crate::{
    chat::Cursor,
    domain::visitors::{VisitorForm, VisitorPass},
    graph::types::{conversation::Conversation, lead::CreateLeadInput},
};

/// A website visitor's way into one conversation.
#[derive(SimpleObject)]
pub struct VisitorSession {
    /// For the `Authorization: Bearer` header, or `authorization` in connection_init. It is good for this conversation alone,
    /// and from pages that the tenant allows.
    access_token: String,
    /// Seconds until it expires; `renewVisitorSession` gives another before that.
    expires_in: i32,
    /// The visitor's conversation.
    conversation: Conversation,
    /// The place before all that was said in it. `conversationEvents(after:)` tells everything from there on, as whole texts,
    /// and then goes on: all that a page needs when it is loaded anew.
    cursor: String,
}

impl From<VisitorPass> for VisitorSession {
    fn from(pass: VisitorPass) -> Self {
        Self {
            access_token: pass.access_token,
            expires_in: i32::try_from(pass.expires_in).unwrap_or(i32::MAX),
            cursor: Cursor::at(pass.conversation.created_at - TimeDelta::milliseconds(1)).to_string(),
            conversation: Conversation { row: pass.conversation, cx: pass.cx },
        }
    }
}

/// A visitor of a tenant's website.
#[derive(InputObject)]
pub struct StartVisitorSessionInput {
    /// The tenant's slug.
    subdomain: String,
    /// Who the visitor says they are. Somebody whom the tenant knows already is linked and left as they are; `source` is
    /// always WEB.
    lead: Option<CreateLeadInput>,
}

impl From<StartVisitorSessionInput> for VisitorForm {
    fn from(input: StartVisitorSessionInput) -> Self {
        Self { subdomain: input.subdomain, lead: input.lead.map(Into::into) }
    }
}
