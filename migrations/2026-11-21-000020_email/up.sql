ALTER TABLE email_settings
    -- Counts connections and disconnections: what was begun under one is not finished under another.
    ADD COLUMN generation bigint NOT NULL DEFAULT 0,
    ADD COLUMN connected_by bigint REFERENCES users (id),
    -- When Google no longer accepted the consent, and why. The address stays, so that people see what to connect again.
    ADD COLUMN revoked_at timestamptz,
    ADD COLUMN revoked_reason text,
    -- The access token's end; and until when somebody is getting another, so that one does.
    ADD COLUMN access_expires_at timestamptz,
    ADD COLUMN refresh_lease_until timestamptz,
    ADD COLUMN watch_renewed_at timestamptz,
    ADD CONSTRAINT email_settings_revoked_with_a_reason CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL)),
    ADD CONSTRAINT email_settings_revoked_where_connected CHECK (revoked_at IS NULL OR connected_address IS NOT NULL),
    ADD CONSTRAINT email_settings_history_is_a_number CHECK (history_id ~ '^[0-9]{1,20}$');

-- Whose mailbox a push is about is told before anybody is known. The role sees addresses, and nothing that opens a mailbox.
CREATE POLICY identity_reads ON email_settings FOR SELECT TO frontdesk_identity USING (true);
GRANT SELECT (tenant_id, connected_address) ON email_settings TO frontdesk_identity;

-- A consent that somebody was sent to Google for. It is used once, or not at all.
CREATE TABLE email_consents (
    id uuid PRIMARY KEY,
    tenant_id bigint NOT NULL REFERENCES tenants (id),
    user_id bigint NOT NULL REFERENCES users (id),
    -- What the code must be shown with (PKCE), sealed.
    verifier bytea NOT NULL,
    return_to text,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
    used_at timestamptz
);
CREATE INDEX email_consents_by_tenant ON email_consents (tenant_id, expires_at);

-- A customer in a thread of Gmail's, and the conversation that it is. Who else writes in the same thread has a conversation
-- of their own: nobody is told what was said to another.
CREATE TABLE email_threads (
    tenant_id bigint NOT NULL REFERENCES tenants (id),
    conversation_id bigint NOT NULL,
    thread_id text NOT NULL,
    address text NOT NULL,
    subject text,
    PRIMARY KEY (tenant_id, conversation_id),
    FOREIGN KEY (tenant_id, conversation_id) REFERENCES conversations (tenant_id, id) ON DELETE CASCADE
);

-- Mail that came in, each once: what became a message, and what was passed over and why.
CREATE TABLE email_received (
    tenant_id bigint NOT NULL REFERENCES tenants (id),
    gmail_id text NOT NULL,
    -- Its own id and those of what it answers (RFC 5322), for the headers of a reply.
    rfc_message_id text,
    reference_ids text NOT NULL DEFAULT '',
    address text,
    conversation_id bigint,
    message_id bigint,
    passed_over text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, gmail_id),
    CONSTRAINT email_received_once UNIQUE (tenant_id, rfc_message_id),
    CONSTRAINT email_received_as_a_message UNIQUE (tenant_id, message_id),
    CONSTRAINT email_received_or_passed_over CHECK (message_id IS NULL OR passed_over IS NULL),
    FOREIGN KEY (tenant_id, conversation_id, message_id)
        REFERENCES messages (tenant_id, conversation_id, id) ON DELETE CASCADE
);
CREATE INDEX email_received_by_address ON email_received (tenant_id, address, created_at);

-- Replies that we send. One is SENDING while Gmail is asked; whether one that was never answered for was sent is looked up in
-- its thread.
CREATE TABLE email_replies (
    id uuid PRIMARY KEY,
    tenant_id bigint NOT NULL REFERENCES tenants (id),
    conversation_id bigint NOT NULL,
    message_id bigint NOT NULL,
    recipient text NOT NULL,
    status text NOT NULL CHECK (status IN ('QUEUED', 'SENDING', 'SENT', 'FAILED')),
    gmail_id text,
    failure text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT email_replies_of_a_message UNIQUE (tenant_id, message_id),
    FOREIGN KEY (tenant_id, conversation_id, message_id)
        REFERENCES messages (tenant_id, conversation_id, id) ON DELETE CASCADE
);
CREATE INDEX email_replies_by_recipient ON email_replies (tenant_id, recipient, created_at);

DO $$
DECLARE
    owned text;
BEGIN
    FOREACH owned IN ARRAY ARRAY['email_consents', 'email_threads', 'email_received', 'email_replies'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', owned);
        EXECUTE format('CREATE POLICY tenant_own ON %I TO frontdesk_tenant
            USING (tenant_id = app_tenant_id()) WITH CHECK (tenant_id = app_tenant_id())', owned);
        EXECUTE format('CREATE POLICY visitor_sees_none ON %I AS RESTRICTIVE TO frontdesk_tenant
            USING (app_conversation_id() IS NULL) WITH CHECK (app_conversation_id() IS NULL)', owned);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO frontdesk_tenant', owned);
    END LOOP;
END
$$;
GRANT DELETE ON email_consents TO frontdesk_tenant;
