REVOKE SELECT (tenant_id, is_enabled, phone_number, assistant_id) ON voice_settings FROM frontdesk_identity;
DROP POLICY identity_reads ON voice_settings;
DROP TABLE call_actions;
DROP TABLE calls;
