REVOKE SELECT (tenant_id, name, last_four, updated_at), INSERT, UPDATE, DELETE ON tenant_secrets FROM frontdesk_admin;
REVOKE SELECT, INSERT, UPDATE ON retrieval_settings FROM frontdesk_admin;
REVOKE SELECT ON sms_settings, voice_settings, email_settings FROM frontdesk_admin;
DROP POLICY admin_reads ON prompt_bundles;
DROP POLICY admin_all ON tenant_secrets;
DROP POLICY admin_all ON retrieval_settings;
DROP POLICY admin_reads ON email_settings;
DROP POLICY admin_reads ON voice_settings;
DROP POLICY admin_reads ON sms_settings;
