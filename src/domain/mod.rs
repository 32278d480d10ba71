//! The verbs of the business: what may be done, in which order, and what the audit log says of it. A verb takes a context
//! and a plain form, and answers with rows. Must not know GraphQL, HTTP or a provider.

pub mod booking;
pub mod calls;
pub mod carriage;
pub mod conversations;
pub mod deliveries;
pub mod demo;
pub mod impersonations;
pub mod inbox;
pub mod jobs;
pub mod knowledge;
pub mod leads;
pub mod mailbox;
pub mod mails;
pub mod meetings;
pub mod models;
pub mod onboarding;
pub mod prompts;
pub mod pushes;
pub mod sessions;
pub mod settings;
pub mod slots;
pub mod sms;
pub mod tenants;
pub mod texts;
pub mod usage;
pub mod users;
pub mod vault;
pub mod visitors;
