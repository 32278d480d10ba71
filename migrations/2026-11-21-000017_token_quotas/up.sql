-- What a tenant has used of a month's tokens, and what replies in progress may still use. A reply reserves before its model is
-- asked and settles when it ends, so that a hundred at once can't go past the quota together.
CREATE TABLE token_months (
    tenant_id bigint NOT NULL REFERENCES tenants (id),
    -- The first day of the month, by UTC.
    month date NOT NULL,
    used bigint NOT NULL DEFAULT 0 CHECK (used >= 0),
    reserved bigint NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    PRIMARY KEY (tenant_id, month)
);
ALTER TABLE token_months ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_own ON token_months TO frontdesk_tenant
    USING (tenant_id = app_tenant_id()) WITH CHECK (tenant_id = app_tenant_id());
CREATE POLICY visitor_sees_none ON token_months AS RESTRICTIVE TO frontdesk_tenant
    USING (app_conversation_id() IS NULL) WITH CHECK (app_conversation_id() IS NULL);
GRANT SELECT, INSERT, UPDATE ON token_months TO frontdesk_tenant;
-- What was used before there were months. The ledger is forced under the tenants' own policy; migrations run as its owner.
ALTER TABLE usage_entries NO FORCE ROW LEVEL SECURITY;
ALTER TABLE token_months NO FORCE ROW LEVEL SECURITY;
INSERT INTO token_months (tenant_id, month, used)
    SELECT tenant_id, date_trunc('month', created_at AT TIME ZONE 'UTC')::date, sum(prompt_tokens + completion_tokens)
    FROM usage_entries GROUP BY 1, 2;
ALTER TABLE usage_entries FORCE ROW LEVEL SECURITY;
ALTER TABLE token_months FORCE ROW LEVEL SECURITY;

-- Where the provider did not say what a reply used (stopped, cut, or its node lost), it is estimated, and the ledger says so.
ALTER TABLE usage_entries ADD COLUMN is_estimated boolean NOT NULL DEFAULT false;
-- What a reply in progress holds of its month's quota.
ALTER TABLE messages ADD COLUMN reserved_tokens integer CHECK (reserved_tokens >= 0);
