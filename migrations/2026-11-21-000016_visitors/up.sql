-- A website visitor's session: one conversation, until it expires or is ended. The token names it, and is worth what this
-- row says. It goes with its conversation, and can't be of another tenant's: the foreign key holds both.
CREATE TABLE visitor_sessions (
    id uuid PRIMARY KEY,
    tenant_id bigint NOT NULL REFERENCES tenants (id),
    conversation_id bigint NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CONSTRAINT visitor_sessions_end_after_start CHECK (expires_at > created_at),
    FOREIGN KEY (tenant_id, conversation_id) REFERENCES conversations (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX visitor_sessions_by_conversation ON visitor_sessions (tenant_id, conversation_id);

-- The conversation that the running transaction is bound to: a visitor's. NULL for everybody else.
CREATE FUNCTION app_conversation_id() RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('app.conversation_id', true), '')::bigint;

ALTER TABLE visitor_sessions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_own ON visitor_sessions TO frontdesk_tenant
    USING (tenant_id = app_tenant_id()) WITH CHECK (tenant_id = app_tenant_id());
CREATE POLICY identity_reads ON visitor_sessions FOR SELECT TO frontdesk_identity USING (true);
GRANT SELECT, INSERT ON visitor_sessions TO frontdesk_tenant;
GRANT UPDATE (expires_at, revoked_at) ON visitor_sessions TO frontdesk_tenant;
GRANT SELECT ON visitor_sessions TO frontdesk_identity;

-- What a visitor's transaction may touch, whatever the program says. These policies only take away: they stand beside
-- those that let a tenant see its own. Of its one conversation it sees what was said, and nothing of how.
CREATE POLICY visitor_bound ON conversations AS RESTRICTIVE TO frontdesk_tenant
    USING (app_conversation_id() IS NULL OR id = app_conversation_id())
    WITH CHECK (app_conversation_id() IS NULL OR id = app_conversation_id());
CREATE POLICY visitor_bound ON messages AS RESTRICTIVE TO frontdesk_tenant
    USING (app_conversation_id() IS NULL
        OR (conversation_id = app_conversation_id() AND role IN ('CUSTOMER', 'ASSISTANT', 'AGENT')))
    WITH CHECK (app_conversation_id() IS NULL
        OR (conversation_id = app_conversation_id() AND role IN ('CUSTOMER', 'ASSISTANT')));
CREATE POLICY visitor_bound ON visitor_sessions AS RESTRICTIVE TO frontdesk_tenant
    USING (app_conversation_id() IS NULL OR conversation_id = app_conversation_id())
    WITH CHECK (app_conversation_id() IS NULL OR conversation_id = app_conversation_id());
CREATE POLICY visitor_keeps ON conversations AS RESTRICTIVE FOR DELETE TO frontdesk_tenant
    USING (app_conversation_id() IS NULL);
CREATE POLICY visitor_keeps ON messages AS RESTRICTIVE FOR DELETE TO frontdesk_tenant
    USING (app_conversation_id() IS NULL);
-- What it does is recorded; the log is not for it to read.
CREATE POLICY visitor_reads_none ON audit_entries AS RESTRICTIVE FOR SELECT TO frontdesk_tenant
    USING (app_conversation_id() IS NULL);
CREATE POLICY visitor_changes_none ON tenants AS RESTRICTIVE FOR UPDATE TO frontdesk_tenant
    USING (app_conversation_id() IS NULL);
CREATE POLICY visitor_adds_none ON usage_entries AS RESTRICTIVE FOR INSERT TO frontdesk_tenant
    WITH CHECK (app_conversation_id() IS NULL);
-- Everything else that a tenant's role may touch is closed. Left open are the tenant's own row and its ledger, to read: a
-- message that comes in may be weighed against the tenant's quota.
DO $$
DECLARE
    closed regclass;
BEGIN
    FOR closed IN
        SELECT c.oid FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
            AND has_any_column_privilege('frontdesk_tenant', c.oid, 'SELECT, INSERT, UPDATE')
            AND c.relname NOT IN ('tenants', 'usage_entries', 'audit_entries', 'conversations', 'messages', 'visitor_sessions')
    LOOP
        EXECUTE format('CREATE POLICY visitor_sees_none ON %s AS RESTRICTIVE TO frontdesk_tenant
            USING (app_conversation_id() IS NULL) WITH CHECK (app_conversation_id() IS NULL)', closed);
    END LOOP;
END
$$;
