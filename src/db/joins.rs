//! Which tables are read together. The catalogue prints tables only, so this stands beside the generated `schema.rs`.

use crate::db::schema::{prompt_bundles, prompt_sections, sessions, tenants, users};

diesel::joinable!(sessions -> users (user_id));
diesel::allow_tables_to_appear_in_same_query!(sessions, users, tenants);
diesel::allow_tables_to_appear_in_same_query!(prompt_bundles, prompt_sections);
