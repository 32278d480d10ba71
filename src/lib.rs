//! Frontdesk answers customers for many businesses: a multi-tenant AI-chat backend whose face is one GraphQL graph.
//!
//! The rooms, from the door inwards. A room uses rooms below it, never above; `tests/it/walls/direction.rs` holds them to
//! it: `cli` → `app` → `config` → `http` → `graph` → `work` → `chat` → `tools` → `retrieval` → `domain` → `llm` → `context` → `channels` → `db` → `secrets` → `tokens` → `kernel`.

pub mod app;
pub mod channels;
pub mod chat;
pub mod cli;
pub mod config;
pub mod context;
pub mod db;
pub mod domain;
pub mod graph;
pub mod http;
pub mod kernel;
pub mod llm;
pub mod retrieval;
pub mod secrets;
pub mod tokens;
pub mod tools;
pub mod work;
