-- Whom a tenant wishes to write its replies. Keys of its own are among tenant_secrets.
CREATE TABLE model_settings (
    tenant_id bigint PRIMARY KEY REFERENCES tenants (id),
    provider text NOT NULL DEFAULT 'PLATFORM' CHECK (provider IN ('PLATFORM', 'OPENAI', 'GEMINI', 'BUILT_IN')),
    model text CHECK (char_length(model) BETWEEN 1 AND 100),
    -- Whether others may write when it can't.
    allow_fallback boolean NOT NULL DEFAULT false,
    max_output_tokens integer CHECK (max_output_tokens > 0),
    updated_at timestamptz NOT NULL
);
ALTER TABLE model_settings ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_own ON model_settings TO frontdesk_tenant
    USING (tenant_id = app_tenant_id()) WITH CHECK (tenant_id = app_tenant_id());
CREATE POLICY admin_reads ON model_settings FOR SELECT TO frontdesk_admin USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON model_settings TO frontdesk_tenant;
GRANT SELECT ON model_settings TO frontdesk_admin;

-- Why a reply broke off, beside its code.
ALTER TABLE messages ADD COLUMN failure_cause text CHECK (failure_cause IN (
    'RATE_LIMITED', 'MISCONFIGURED', 'CONTENT_FILTERED', 'CONTEXT_TOO_LONG', 'UNREACHABLE', 'TIMED_OUT',
    'EMPTY_ANSWER', 'CUT_OFF', 'QUOTA_EXCEEDED', 'SERVER_STOPPED', 'INTERNAL'));
-- The owner is held by the policies too, so they are lifted for the length of this transaction.
ALTER TABLE messages NO FORCE ROW LEVEL SECURITY;
UPDATE messages SET failure_cause = CASE
    WHEN failure_reason LIKE 'The server stopped%' THEN 'SERVER_STOPPED'
    WHEN failure_code IN ('RATE_LIMITED', 'INTERNAL') THEN failure_code
    ELSE 'UNREACHABLE' END
WHERE status = 'FAILED';
ALTER TABLE messages FORCE ROW LEVEL SECURITY;
