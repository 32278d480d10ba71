//! The query root, one file a noun.

mod conversations;
mod identity;
mod leads;
mod prompts;
mod tenants;
mod users;

use async_graphql::MergedObject;

/// Everything that can be read.
#[derive(MergedObject, Default)]
pub struct Query(
    identity::IdentityQuery,
    tenants::TenantQuery,
    users::UserQuery,
    leads::LeadQuery,
    conversations::ConversationQuery,
    prompts::PromptQuery,
);
