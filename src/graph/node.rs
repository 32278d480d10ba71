//! `node` and `nodes`: any object by its global id. Must give exactly nothing for an id that is another tenant's.

use async_graphql::{Context, ID, Interface};

use crate::{
    context::{AdminCx, TenantCx},
    db::tables::{conversations, leads, messages, prompts, tenants, users},
    graph::{
        context,
        types::{
            conversation::Conversation,
            lead::Lead,
            message::Message,
            prompt::PromptBundle,
            tenant::Tenant,
            user::{Home, User},
        },
    },
    kernel::{
        failure::{Outcome, Refusal},
        ids::{self, BundleId, ConversationId, LeadId, MessageId, TenantId, UserId},
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
}

/// The object with a global id, as far as the caller may see it.
pub(super) async fn find(ctx: &Context<'_>, id: &ID) -> Outcome<Option<Node>> {
    if let Some(cx) = context::platform_if_any(ctx)? {
        return in_platform(cx, id).await;
    }
    in_tenant(context::tenant(ctx)?, id).await
}

async fn in_tenant(cx: &TenantCx, id: &ID) -> Outcome<Option<Node>> {
    let cx = cx.clone();
    match id.split_once('_').map_or("", |(prefix, _)| prefix) {
        "tenant" => {
            let id: TenantId = ids::parse(id, "id")?;
            let own = cx.read(async |tx| tenants::own(tx).await).await?;
            Ok((own.id == id).then_some(Tenant { row: own }.into()))
        }
        "user" => {
            let id: UserId = ids::parse(id, "id")?;
            let row = if cx.scope().administers() || cx.scope().actor().user() == Some(id) {
                cx.read(async |tx| users::find(tx, id).await).await?
            } else {
                None
            };
            Ok(row.map(|row| User { row, home: Home::Own(cx) }.into()))
        }
        "lead" => {
            let id: LeadId = ids::parse(id, "id")?;
            let row = cx.read(async |tx| leads::find(tx, id).await).await?;
            Ok(row.map(|row| Lead { row, cx }.into()))
        }
        "conversation" => {
            let id: ConversationId = ids::parse(id, "id")?;
            let row = cx.read(async |tx| conversations::find(tx, id).await).await?;
            Ok(row.map(|row| Conversation { row, cx }.into()))
        }
        "message" => {
            let id: MessageId = ids::parse(id, "id")?;
            let row = cx.read(async |tx| messages::find(tx, id).await).await?;
            Ok(row.map(|row| Message { row, cx }.into()))
        }
        "prompt" => {
            let id: BundleId = ids::parse(id, "id")?;
            // As `promptBundle` has it: for the tenant's administrators.
            if !cx.scope().administers() {
                return Ok(None);
            }
            let row = cx.read(async |tx| prompts::find(tx, id).await).await?;
            Ok(row.map(|row| PromptBundle { row, cx }.into()))
        }
        _ => Err(malformed()),
    }
}

/// An administrator without a tenant sees tenants and accounts, and nothing that a tenant's customers said.
async fn in_platform(cx: &AdminCx, id: &ID) -> Outcome<Option<Node>> {
    match id.split_once('_').map_or("", |(prefix, _)| prefix) {
        "tenant" => {
            let id: TenantId = ids::parse(id, "id")?;
            let row = cx.administer(async |tx| tenants::find(tx, id).await).await?;
            Ok(row.map(|row| Tenant { row }.into()))
        }
        "user" => {
            let id: UserId = ids::parse(id, "id")?;
            cx.administer(async |tx| {
                let Some(row) = users::find_any(tx, id).await? else { return Ok(None) };
                let tenant = match row.tenant_id {
                    Some(tenant) => tenants::find(tx, tenant).await?,
                    None => None,
                };
                Ok(Some(User { row, home: Home::Known(tenant.map(Box::new)) }.into()))
            })
            .await
        }
        "lead" | "conversation" | "message" | "prompt" => Err(Refusal::new(
            crate::kernel::failure::ErrorCode::TenantRequired,
            "This needs a tenant. Name one in the `X-Tenant-Id` header: its number, its id or its subdomain.",
        )
        .into()),
        _ => Err(malformed()),
    }
}

fn malformed() -> crate::kernel::failure::Failure {
    Refusal::input("id", "`id` must be a global id such as `lead_81`.").into()
}
