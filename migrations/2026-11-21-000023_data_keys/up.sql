-- A tenant's data keys, sealed under the platform's SECRET_KEY: what the tenant entrusts to us is sealed under one of them, and
-- names it. Whoever changes SECRET_KEY seals these anew, and leaves the values as they are. There is one for each tenant, made when
-- its first secret is set; another where that one can't be opened any more.
CREATE TABLE tenant_keys (
    tenant_id bigint NOT NULL REFERENCES tenants (id),
    name text NOT NULL CHECK (name ~ '^[0-9a-f]{8}$'),
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, name)
);
ALTER TABLE tenant_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_own ON tenant_keys TO frontdesk_tenant
    USING (tenant_id = app_tenant_id()) WITH CHECK (tenant_id = app_tenant_id());
CREATE POLICY visitor_sees_none ON tenant_keys AS RESTRICTIVE TO frontdesk_tenant
    USING (app_conversation_id() IS NULL) WITH CHECK (app_conversation_id() IS NULL);
-- A tenant may be made together with a key for its index.
CREATE POLICY admin_all ON tenant_keys TO frontdesk_admin USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON tenant_keys TO frontdesk_tenant, frontdesk_admin;
GRANT UPDATE (sealed, updated_at), DELETE ON tenant_keys TO frontdesk_tenant;
