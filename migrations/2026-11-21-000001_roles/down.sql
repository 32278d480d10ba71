DROP FUNCTION app_tenant_id();
REVOKE USAGE ON SCHEMA public FROM frontdesk_tenant, frontdesk_admin, frontdesk_identity, frontdesk_worker;
-- The roles themselves stay: they belong to the cluster, and another database may stand on them.
