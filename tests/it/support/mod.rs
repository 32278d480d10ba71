//! The harness: `Gateway::start().await`, then people who act.

mod actor;
pub mod browser;
pub mod cluster;
pub mod collector;
pub mod fake_google;
pub mod fake_jackrabbit;
pub mod fake_model;
pub mod fake_phones;
pub mod fake_pinecone;
pub mod forgetful;
mod gateway;
pub mod leaky;
pub mod log;
pub mod mailbox;
pub mod phones;
pub mod pooler;
pub mod process;
pub mod redis;
pub mod shop;
pub mod socket;
pub mod spent;
pub mod telnyx;

pub use actor::{Actor, Answer, CHAT, Tenant, code, login, said};
pub use gateway::{Gateway, PASSWORD, Plan, SECRET};
