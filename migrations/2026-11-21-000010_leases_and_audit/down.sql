REVOKE SELECT (id, tenant_id, email, name, role, is_active, created_at, updated_at, last_login_at)
    ON users FROM frontdesk_tenant, frontdesk_admin;
GRANT SELECT ON users TO frontdesk_tenant, frontdesk_admin;
DROP POLICY tenant_sees_visitors ON users;
DROP INDEX impersonations_by_actor;
DROP INDEX audit_entries_by_actor;
ALTER TABLE audit_entries DROP COLUMN outcome;
ALTER TABLE impersonations DROP CONSTRAINT impersonations_end_after_start;
