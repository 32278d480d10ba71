-- Whose number a message was sent to is told before anybody is known: by the role that tells who somebody is. It sees what
-- routes, and the public key; no secret.
CREATE POLICY identity_reads ON sms_settings FOR SELECT TO frontdesk_identity USING (true);
GRANT SELECT (tenant_id, telnyx_phone_number, telnyx_public_key, twilio_phone_number, twilio_account_sid)
    ON sms_settings TO frontdesk_identity;

-- Who answers text messages: we, or an assistant of the tenant's at Telnyx. Never both.
ALTER TABLE sms_settings ADD COLUMN answered_by text NOT NULL DEFAULT 'FRONTDESK'
    CHECK (answered_by IN ('FRONTDESK', 'TELNYX_ASSISTANT'));

-- Work that is done is gone; what was given up stays to be looked at. A delivery has one job, while there is work on it.
ALTER TABLE jobs DROP CONSTRAINT jobs_state_check;
ALTER TABLE jobs ADD CONSTRAINT jobs_state_check CHECK (state IN ('READY', 'RUNNING', 'DEAD'));
ALTER TABLE jobs ADD CONSTRAINT jobs_leased_while_running
    CHECK ((state = 'RUNNING') = (lease_token IS NOT NULL AND lease_expires_at IS NOT NULL));
ALTER TABLE jobs ADD COLUMN delivery_id bigint;
ALTER TABLE jobs ADD CONSTRAINT jobs_one_for_a_delivery UNIQUE (tenant_id, delivery_id);
ALTER TABLE jobs ADD FOREIGN KEY (tenant_id, delivery_id) REFERENCES webhook_deliveries (tenant_id, id);
DROP INDEX jobs_due;
CREATE INDEX jobs_due ON jobs (tenant_id, run_at, id) WHERE state <> 'DEAD';
DROP INDEX jobs_lane;
CREATE INDEX jobs_lane ON jobs (tenant_id, lane, id) WHERE state <> 'DEAD' AND lane IS NOT NULL;
GRANT DELETE ON jobs TO frontdesk_tenant;

-- The provider by which a customer wrote last: replies go the way that the message came.
ALTER TABLE conversations ADD COLUMN text_provider text CHECK (text_provider IN ('TELNYX', 'TWILIO'));

-- Text messages that we send. A long message is several, in order. One is SENDING while a provider is asked; one that was
-- asked for and never answered is UNKNOWN: it may have been sent, so it is not sent again.
CREATE TABLE texts (
    id uuid PRIMARY KEY,
    tenant_id bigint NOT NULL REFERENCES tenants (id),
    conversation_id bigint,
    message_id bigint,
    part integer NOT NULL CHECK (part >= 0),
    provider text NOT NULL CHECK (provider IN ('TELNYX', 'TWILIO')),
    sender text NOT NULL,
    recipient text NOT NULL,
    content text NOT NULL CHECK (content <> ''),
    status text NOT NULL CHECK (status IN ('QUEUED', 'SENDING', 'SENT', 'DELIVERED', 'FAILED', 'UNKNOWN')),
    provider_id text,
    failure text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT texts_parts_of_a_message UNIQUE (tenant_id, message_id, part),
    CONSTRAINT texts_provider_id_key UNIQUE (tenant_id, provider, provider_id),
    FOREIGN KEY (tenant_id, conversation_id, message_id)
        REFERENCES messages (tenant_id, conversation_id, id) ON DELETE CASCADE
);
-- Who asked not to be texted.
CREATE TABLE opt_outs (
    tenant_id bigint NOT NULL REFERENCES tenants (id),
    phone text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, phone)
);

ALTER TABLE texts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE opt_outs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_own ON texts TO frontdesk_tenant
    USING (tenant_id = app_tenant_id()) WITH CHECK (tenant_id = app_tenant_id());
CREATE POLICY tenant_own ON opt_outs TO frontdesk_tenant
    USING (tenant_id = app_tenant_id()) WITH CHECK (tenant_id = app_tenant_id());
CREATE POLICY visitor_sees_none ON texts AS RESTRICTIVE TO frontdesk_tenant
    USING (app_conversation_id() IS NULL) WITH CHECK (app_conversation_id() IS NULL);
CREATE POLICY visitor_sees_none ON opt_outs AS RESTRICTIVE TO frontdesk_tenant
    USING (app_conversation_id() IS NULL) WITH CHECK (app_conversation_id() IS NULL);
GRANT SELECT, INSERT, UPDATE ON texts TO frontdesk_tenant;
GRANT SELECT, INSERT, DELETE ON opt_outs TO frontdesk_tenant;

-- A reply that failed and is written anew adds to what its first try used.
GRANT UPDATE (prompt_tokens, completion_tokens, is_estimated) ON usage_entries TO frontdesk_tenant;
