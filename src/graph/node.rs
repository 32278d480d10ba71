//! `node` and `nodes`: any object by its global id. Must give exactly nothing for an id that is another tenant's, and
//! nothing that the root field of its noun would refuse.

use async_graphql::{ID, Interface};

use crate::{
    context::{AdminCx, TenantCx, View},
    graph::types::{
        audit::AuditEntry, conversation::Conversation, delivery::WebhookDelivery, impersonation::Impersonation,
        knowledge::KnowledgeDocument, lead::Lead, message::Message, prompt::PromptBundle, tenant::Tenant, user::User,
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
    PromptBundle(PromptBundle),
    KnowledgeDocument(KnowledgeDocument),
    Impersonation(Impersonation),
    AuditEntry(AuditEntry),
    WebhookDelivery(WebhookDelivery),
}

/// The object with a global id, as far as it may be seen from here.
pub(super) async fn find(view: &View, id: &ID) -> Outcome<Option<Node>> {
    let noun = id.split_once('_').map_or("", |(prefix, _)| prefix);
    match view {
        View::Tenant(cx) => in_tenant(cx, view, noun, id).await,
        View::Platform(cx) => in_platform(cx, view, noun, id).await,
    }
}

async fn in_tenant(cx: &TenantCx, view: &View, noun: &str, id: &ID) -> Outcome<Option<Node>> {
    let (cx, view) = (cx.clone(), view.clone());
    match noun {
        "tenant" => Ok(Tenant::load(&view, ids::parse(id, "id")?).await?.map(Node::from)),
        "user" => Ok(User::find(&view, ids::parse(id, "id")?).await?.map(Node::from)),
        "lead" => {
            let row = cx.loaders().lead(ids::parse(id, "id")?).await?;
            Ok(row.map(|row| Lead { row, cx }.into()))
        }
        "conversation" => {
            let row = cx.loaders().conversation(ids::parse(id, "id")?).await?;
            Ok(row.map(|row| Conversation { row, cx }.into()))
        }
        "message" => {
            let row = cx.loaders().message(ids::parse(id, "id")?).await?;
            Ok(row.map(|row| Message { row, cx }.into()))
        }
        "document" => {
            let row = cx.loaders().document(ids::parse(id, "id")?).await?;
            Ok(row.map(|row| KnowledgeDocument { row, cx }.into()))
        }
        // The rest is for the tenant's administrators.
        "prompt" | "impersonation" | "audit" | "delivery" if !cx.scope().administers() => Ok(None),
        "prompt" => {
            let row = cx.loaders().bundle(ids::parse(id, "id")?).await?;
            Ok(row.map(|row| PromptBundle { row, view }.into()))
        }
        "impersonation" => Ok(Impersonation::load(&view, ids::parse(id, "id")?).await?.map(Node::from)),
        "audit" => {
            let row = cx.loaders().entry(ids::parse(id, "id")?).await?;
            Ok(row.map(|row| AuditEntry { row, view }.into()))
        }
        "delivery" => {
            let row = cx.loaders().delivery(ids::parse(id, "id")?).await?;
            Ok(row.map(|row| WebhookDelivery { row }.into()))
        }
        _ => Err(malformed().into()),
    }
}

/// An administrator without a tenant sees tenants, accounts, the base prompt and the log, and nothing that a tenant's
/// customers said.
async fn in_platform(cx: &AdminCx, view: &View, noun: &str, id: &ID) -> Outcome<Option<Node>> {
    let view = view.clone();
    match noun {
        "tenant" => Ok(Tenant::load(&view, ids::parse(id, "id")?).await?.map(Node::from)),
        "user" => Ok(User::find(&view, ids::parse(id, "id")?).await?.map(Node::from)),
        "impersonation" => Ok(Impersonation::load(&view, ids::parse(id, "id")?).await?.map(Node::from)),
        "prompt" => {
            let row = cx.loaders().bundle(ids::parse(id, "id")?).await?;
            Ok(row.map(|row| PromptBundle { row, view }.into()))
        }
        "audit" => {
            let row = cx.loaders().entry(ids::parse(id, "id")?).await?;
            Ok(row.map(|row| AuditEntry { row, view }.into()))
        }
        "delivery" => {
            let row = cx.loaders().delivery(ids::parse(id, "id")?).await?;
            Ok(row.map(|row| WebhookDelivery { row }.into()))
        }
        "lead" | "conversation" | "message" | "document" => Err(Refusal::new(
            ErrorCode::TenantRequired,
            "This needs a tenant. Name one in the `X-Tenant-Id` header: its number, its id or its subdomain.",
        )
        .into()),
        _ => Err(malformed().into()),
    }
}

fn malformed() -> Refusal {
    Refusal::input("id", "`id` must be a global id such as `lead_81`.")
}
