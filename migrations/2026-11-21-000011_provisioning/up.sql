-- Administrators see how far a tenant is provisioned: its settings, which secrets are set, whether it has a prompt. They
-- may set up retrieval when they make a tenant. They read no secret, and no prompt's sections.
CREATE POLICY admin_reads ON sms_settings FOR SELECT TO frontdesk_admin USING (true);
CREATE POLICY admin_reads ON voice_settings FOR SELECT TO frontdesk_admin USING (true);
CREATE POLICY admin_reads ON email_settings FOR SELECT TO frontdesk_admin USING (true);
CREATE POLICY admin_all ON retrieval_settings TO frontdesk_admin USING (true) WITH CHECK (true);
CREATE POLICY admin_all ON tenant_secrets TO frontdesk_admin USING (true) WITH CHECK (true);
CREATE POLICY admin_reads ON prompt_bundles FOR SELECT TO frontdesk_admin USING (true);
GRANT SELECT ON sms_settings, voice_settings, email_settings TO frontdesk_admin;
GRANT SELECT, INSERT, UPDATE ON retrieval_settings TO frontdesk_admin;
GRANT SELECT (tenant_id, name, last_four, updated_at), INSERT, UPDATE, DELETE ON tenant_secrets TO frontdesk_admin;
