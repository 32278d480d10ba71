//! Website visitors: let in without a name, to one conversation, for a while.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    context::{Draw, PublicCx, TenantCx},
    db::{
        identity,
        scope::Actor,
        tables::{
            conversations::{self, ConversationRow, NewConversation},
            visitors::{self, NewVisitor},
        },
    },
    domain::leads::{self, LeadForm},
    kernel::{
        failure::{ErrorCode, Failure, Outcome, Refusal},
        ids::ConversationId,
        origin::Origin,
        vocabulary::{Channel, ConversationStatus},
    },
};

/// A visit to be.
pub struct VisitorForm {
    /// The tenant whose website it is.
    pub subdomain: String,
    /// What the visitor says of themselves.
    pub lead: Option<LeadForm>,
}

/// A visitor's way in.
pub struct VisitorPass {
    /// For the `Authorization` header.
    pub access_token: String,
    /// Seconds until it expires.
    pub expires_in: i64,
    /// Their conversation.
    pub conversation: ConversationRow,
    /// From where they see it.
    pub cx: TenantCx,
}

/// Opens a conversation for a visitor of a tenant's website.
///
/// # Errors
/// `RATE_LIMITED`; `NOT_FOUND` for a tenant that is not there; `FORBIDDEN` for a page that it does not allow;
/// `BAD_USER_INPUT` for a lead that can't be.
pub async fn start(cx: &PublicCx, form: VisitorForm) -> Outcome<VisitorPass> {
    let services = &cx.services;
    let rules = &services.visitors;
    // Before anything is looked up: also who guesses names of tenants is slowed down.
    services.limit(&[Draw::one("visitors of an address", cx.client.network(), rules.sessions_per_address)]).await?;
    if rules.needs_origin && cx.client.origin == Origin::Absent {
        return Err(Refusal::new(
            ErrorCode::Forbidden,
            "A visitor comes from a website: the request must carry its `Origin`, one of the tenant's `allowedOrigins`.",
        )
        .into());
    }
    let scope = identity::open_to_visitors(&services.db, &form.subdomain, &cx.door()).await?;
    let tenant = scope.tenant();
    services.limit(&[Draw::one("visitors of a tenant", tenant.to_string(), rules.sessions_per_tenant)]).await?;
    let inside = TenantCx::new(scope, services.clone(), cx.request.clone());
    // Read first: a lead that is no older than the conversation was noted in it.
    let now = inside.now();
    let lead = match form.lead {
        Some(lead) => Some(leads::claim(&inside, &LeadForm { source: Some(Channel::Web), ..lead }).await?.id),
        None => None,
    };
    let (session, expires_at) = (Uuid::new_v4(), now + rules.lifetime);
    let new = NewConversation {
        tenant_id: tenant,
        channel: Channel::Web,
        status: ConversationStatus::Bot,
        lead_id: lead,
        subject: None,
        contact: None,
        created_at: now,
        updated_at: now,
    };
    let conversation = inside
        .write(async |tx| {
            let row = conversations::insert(tx, &new).await?;
            let visitor =
                NewVisitor { id: session, tenant_id: tenant, conversation_id: row.id, created_at: now, expires_at };
            visitors::insert(tx, &visitor).await?;
            inside.audit(tx, "visitor.start", row.id);
            Ok(row)
        })
        .await?;
    let access_token = services.tokens.issue_visitor(tenant, conversation.id, session, expires_at)?;
    // Looked around with it: what the answer shows is what the token opens.
    let token = services.tokens.verify_visitor(&access_token)?;
    let standing = identity::resolve_visitor(&services.db, &token, None, &cx.door(), now).await?;
    let cx = cx.open(standing).tenant.ok_or_else(|| Failure::fault("a visitor's token that opens nothing"))?;
    Ok(VisitorPass { access_token, expires_in: seconds(now, expires_at), conversation, cx })
}

/// Lets a visitor's session go on from now for as long as a new one, and gives a fresh token for it.
///
/// # Errors
/// `FORBIDDEN` for anybody else.
pub async fn renew(cx: &TenantCx) -> Outcome<VisitorPass> {
    let Actor::Visitor { session, conversation } = cx.scope().actor() else {
        return Err(Refusal::new(ErrorCode::Forbidden, "Only a website visitor's token is renewed so.").into());
    };
    let (now, services) = (cx.now(), cx.services());
    let expires_at = now + services.visitors.lifetime;
    let row = cx
        .write(async |tx| {
            let stands = visitors::prolong(tx, session, expires_at).await?;
            let row = conversations::find(tx, conversation).await?.filter(|_| stands);
            row.ok_or_else(|| Refusal::not_found("conversation").into())
        })
        .await?;
    let access_token = services.tokens.issue_visitor(cx.scope().tenant(), conversation, session, expires_at)?;
    let expires_in = seconds(now, expires_at);
    Ok(VisitorPass { access_token, expires_in, conversation: row, cx: cx.renewed() })
}

/// Ends the sessions of all visitors in a conversation; says how many.
///
/// # Errors
/// `NOT_FOUND` for a conversation that is not there, or out of a visitor's reach.
pub async fn revoke(cx: &TenantCx, conversation: ConversationId) -> Outcome<usize> {
    let missing = || Refusal::not_found("conversation");
    if !cx.scope().reaches(conversation) {
        return Err(missing().into());
    }
    cx.write(async |tx| {
        conversations::find(tx, conversation).await?.ok_or_else(missing)?;
        let ended = visitors::revoke(tx, conversation, cx.now()).await?;
        cx.audit(tx, "visitor.revoke", conversation);
        Ok(ended)
    })
    .await
}

fn seconds(from: DateTime<Utc>, to: DateTime<Utc>) -> i64 {
    (to - from).num_seconds()
}
