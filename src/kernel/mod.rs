//! The leaf room: words and rules that every other room shares. Must not know the database, the graph's
//! resolvers or HTTP; nothing here does I/O, but for the clock, which is handed in.

pub mod cause;
pub mod clock;
pub mod email;
pub mod failure;
pub mod hosts;
pub mod ids;
pub mod json;
pub mod metrics;
pub mod origin;
pub mod page;
pub mod phone;
pub mod redis;
pub mod slug;
pub mod tally;
pub mod task;
pub mod text;
pub mod trace;
pub mod vocabulary;
pub mod web;
pub mod zone;
