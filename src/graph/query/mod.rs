//! The query root, one file a noun.

mod audit;
mod conversations;
mod deliveries;
mod identity;
mod impersonations;
mod knowledge;
mod leads;
mod meetings;
mod prompts;
mod tenants;
mod usage;
mod users;

use async_graphql::MergedObject;

/// Everything that can be read.
#[derive(MergedObject, Default)]
pub struct Query(
    identity::IdentityQuery,
    tenants::TenantQuery,
    users::UserQuery,
    leads::LeadQuery,
    meetings::MeetingQuery,
    conversations::ConversationQuery,
    prompts::PromptQuery,
    knowledge::KnowledgeQuery,
    usage::UsageQuery,
    impersonations::ImpersonationQuery,
    audit::AuditQuery,
    deliveries::DeliveryQuery,
);
