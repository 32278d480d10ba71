ALTER TABLE impersonations ADD CONSTRAINT impersonations_end_after_start CHECK (expires_at > started_at);
ALTER TABLE audit_entries ADD COLUMN outcome text NOT NULL DEFAULT 'DONE'
    CONSTRAINT audit_entries_outcome CHECK (outcome IN ('DONE', 'REFUSED'));
CREATE INDEX audit_entries_by_actor ON audit_entries (actor_id, tenant_id);
CREATE INDEX impersonations_by_actor ON impersonations (actor_id, tenant_id);

-- A tenant reads who looked into it by a lease, whatever has become of them since; and which of the platform's people did
-- something in it. Not their password's hash: no role that acts for a tenant reads any.
CREATE POLICY tenant_sees_visitors ON users FOR SELECT TO frontdesk_tenant
    USING (EXISTS (SELECT FROM impersonations i WHERE i.actor_id = users.id AND i.tenant_id = app_tenant_id())
        OR (tenant_id IS NULL AND EXISTS (SELECT FROM audit_entries a
            WHERE a.actor_id = users.id AND a.tenant_id = app_tenant_id())));
REVOKE SELECT ON users FROM frontdesk_tenant, frontdesk_admin;
GRANT SELECT (id, tenant_id, email, name, role, is_active, created_at, updated_at, last_login_at)
    ON users TO frontdesk_tenant, frontdesk_admin;
