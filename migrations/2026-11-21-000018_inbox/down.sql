REVOKE UPDATE (prompt_tokens, completion_tokens, is_estimated) ON usage_entries FROM frontdesk_tenant;
DROP TABLE opt_outs;
DROP TABLE texts;
ALTER TABLE conversations DROP COLUMN text_provider;
REVOKE DELETE ON jobs FROM frontdesk_tenant;
DROP INDEX jobs_lane;
CREATE INDEX jobs_lane ON jobs (tenant_id, lane, id) WHERE state IN ('READY', 'RUNNING') AND lane IS NOT NULL;
DROP INDEX jobs_due;
CREATE INDEX jobs_due ON jobs (run_at, id) WHERE state IN ('READY', 'RUNNING');
ALTER TABLE jobs DROP COLUMN delivery_id;
ALTER TABLE jobs DROP CONSTRAINT jobs_leased_while_running;
ALTER TABLE jobs DROP CONSTRAINT jobs_state_check;
ALTER TABLE jobs ADD CONSTRAINT jobs_state_check CHECK (state IN ('READY', 'RUNNING', 'DONE', 'DEAD'));
ALTER TABLE sms_settings DROP COLUMN answered_by;
REVOKE SELECT (tenant_id, telnyx_phone_number, telnyx_public_key, twilio_phone_number, twilio_account_sid)
    ON sms_settings FROM frontdesk_identity;
DROP POLICY identity_reads ON sms_settings;
