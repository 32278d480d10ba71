//! Proofs of who somebody is: access tokens, visitors' tokens, refresh tokens, passwords. Must not know users' rows, tenants
//! or HTTP.

pub mod consent;
mod crypto;
pub mod jwt;
pub mod password;
pub mod refresh;
pub mod visitor;

pub use crypto::{chance, hmac_sha256, install_provider, random};
