//! The mutation root, one file a noun.

mod conversations;
mod deliveries;
mod identity;
mod impersonations;
mod knowledge;
mod leads;
mod meetings;
mod prompts;
mod settings;
mod tenants;
mod users;
mod visitors;

use async_graphql::MergedObject;

/// Everything that can be changed.
#[derive(MergedObject, Default)]
pub struct Mutation(
    identity::IdentityMutation,
    tenants::TenantMutation,
    users::UserMutation,
    prompts::PromptMutation,
    leads::LeadMutation,
    meetings::MeetingMutation,
    conversations::ConversationMutation,
    knowledge::KnowledgeMutation,
    settings::SettingsMutation,
    impersonations::ImpersonationMutation,
    deliveries::DeliveryMutation,
    visitors::VisitorMutation,
);
