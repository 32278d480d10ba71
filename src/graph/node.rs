//! `node` and `nodes`: any object by its global id. Must give exactly nothing for an id that is another tenant's, and
//! nothing that the root field of its noun would refuse.

use async_graphql::{ID, Interface};

use crate::{
    context::{TenantCx, View},
    graph::types::{
        audit::AuditEntry, conversation::Conversation, delivery::WebhookDelivery, impersonation::Impersonation,
        knowledge::KnowledgeDocument, lead::Lead, meeting::Meeting, message::Message, prompt::PromptBundle,
        tenant::Tenant, user::User,
    },
    kernel::{
        failure::{ErrorCode, Outcome, Refusal},
        ids,
    },
};

/// An object with a global id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "The global id, such as `lead_81`."))]
pub enum Node {
    Tenant(Tenant),
    User(User),
    Lead(Lead),
    Conversation(Conversation),
    Message(Message),
    Meeting(Meeting),
    PromptBundle(PromptBundle),
    KnowledgeDocument(KnowledgeDocument),
    Impersonation(Impersonation),
    AuditEntry(AuditEntry),
    WebhookDelivery(WebhookDelivery),
}

/// The object with a global id, as far as it may be seen from here. From the platform that is tenants, accounts, the base
/// prompt and the log, and nothing that a tenant's customers said.
pub(super) async fn find(view: &View, id: &ID) -> Outcome<Option<Node>> {
    let noun = id.split_once('_').map_or("", |(prefix, _)| prefix);
    match noun {
        "tenant" => Ok(Tenant::load(view, ids::parse(id, "id")?).await?.map(Node::from)),
        "user" => Ok(User::find(view, ids::parse(id, "id")?).await?.map(Node::from)),
        "prompt" | "impersonation" | "audit" | "delivery" if !view.administers() => Ok(None),
        "prompt" => Ok(PromptBundle::load(view, ids::parse(id, "id")?).await?.map(Node::from)),
        "impersonation" => Ok(Impersonation::load(view, ids::parse(id, "id")?).await?.map(Node::from)),
        "audit" => Ok(AuditEntry::load(view, ids::parse(id, "id")?).await?.map(Node::from)),
        "delivery" => Ok(WebhookDelivery::load(view, ids::parse(id, "id")?).await?.map(Node::from)),
        "lead" | "conversation" | "message" | "meeting" | "document" => match view {
            View::Tenant(cx) => in_tenant(cx, noun, id).await,
            View::Platform(_) => Err(Refusal::new(
                ErrorCode::TenantRequired,
                "This needs a tenant. Name one in the `X-Tenant-Id` header: its number, its id or its subdomain.",
            )
            .into()),
        },
        _ => Err(Refusal::input("id", "`id` must be a global id such as `lead_81`.").into()),
    }
}

/// What belongs to tenants alone.
async fn in_tenant(cx: &TenantCx, noun: &str, id: &ID) -> Outcome<Option<Node>> {
    let cx = cx.clone();
    Ok(match noun {
        "lead" => cx.loaders().lead(ids::parse(id, "id")?).await?.map(|row| Lead { row, cx }.into()),
        "conversation" => {
            cx.loaders().conversation(ids::parse(id, "id")?).await?.map(|row| Conversation { row, cx }.into())
        }
        "message" => {
            cx.loaders().message(ids::parse(id, "id")?).await?.map(|row| Message { row: row.into(), cx }.into())
        }
        "meeting" => cx.loaders().meeting(ids::parse(id, "id")?).await?.map(|row| Meeting { row, cx }.into()),
        _ => cx.loaders().document(ids::parse(id, "id")?).await?.map(|row| KnowledgeDocument { row, cx }.into()),
    })
}
