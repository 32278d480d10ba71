//! The only way to a connection. Rooms above see [`Db`], scopes, [`Tx`](tx::Tx) and the table queries; a raw
//! connection never leaves this folder. Must not know the graph, HTTP or what a business does.

pub mod condition;
mod connect;
pub mod embedded;
pub mod entry;
mod error;
mod guardrail;
pub mod identity;
mod joins;
mod kept;
mod login;
pub mod migrate;
mod pool;
mod replica;
pub mod same;
#[rustfmt::skip]
mod schema;
pub mod scope;
mod standings;
pub mod tables;
pub mod tx;
mod wire;

pub use pool::{Db, DbSettings, ReplicaSettings};

/// The query that prints `schema.rs` from a migrated database.
pub const SCHEMA_QUERY: &str = include_str!("schema.sql");
