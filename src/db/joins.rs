//! Which tables are read together. The catalogue prints tables only, so this stands beside the generated `schema.rs`.

use crate::db::schema::{
    booking_settings, conversations, email_settings, impersonations, leads, model_settings, prompt_bundles,
    prompt_sections, retrieval_settings, sessions, sms_settings, tenant_keys, tenant_secrets, tenants, users,
    visitor_sessions, voice_settings,
};

diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(sms_settings -> tenants (tenant_id));
diesel::joinable!(voice_settings -> tenants (tenant_id));
diesel::joinable!(email_settings -> tenants (tenant_id));
diesel::joinable!(retrieval_settings -> tenants (tenant_id));
diesel::joinable!(visitor_sessions -> tenants (tenant_id));
diesel::joinable!(model_settings -> tenants (tenant_id));
diesel::joinable!(booking_settings -> tenants (tenant_id));
diesel::allow_tables_to_appear_in_same_query!(booking_settings, tenants);
diesel::allow_tables_to_appear_in_same_query!(sessions, users, tenants);
diesel::allow_tables_to_appear_in_same_query!(conversations, leads);
diesel::allow_tables_to_appear_in_same_query!(visitor_sessions, tenants);
diesel::allow_tables_to_appear_in_same_query!(impersonations, users);
diesel::allow_tables_to_appear_in_same_query!(prompt_bundles, prompt_sections);
diesel::allow_tables_to_appear_in_same_query!(
    tenants,
    sms_settings,
    voice_settings,
    email_settings,
    retrieval_settings,
    model_settings,
);
diesel::allow_tables_to_appear_in_same_query!(tenant_secrets, tenant_keys);
