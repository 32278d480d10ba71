REVOKE SELECT (tenant_id, bundle_id, key, position, channels, is_locked) ON prompt_sections FROM frontdesk_worker;
REVOKE SELECT (id, tenant_id, status) ON prompt_bundles FROM frontdesk_worker;
DROP POLICY worker_reads_production ON prompt_sections;
DROP POLICY worker_reads_production ON prompt_bundles;
DROP POLICY tenant_reads ON prompt_sections;
CREATE POLICY tenant_reads ON prompt_sections FOR SELECT TO frontdesk_tenant
    USING (tenant_id = app_tenant_id() OR tenant_id IS NULL);
DROP POLICY tenant_reads ON prompt_bundles;
CREATE POLICY tenant_reads ON prompt_bundles FOR SELECT TO frontdesk_tenant
    USING (tenant_id = app_tenant_id() OR tenant_id IS NULL);
DROP TRIGGER prompt_bundles_frozen ON prompt_bundles;
DROP FUNCTION prompt_bundles_frozen();
DROP POLICY admin_removes ON prompt_sections;
DROP POLICY admin_adds ON prompt_sections;
DROP POLICY admin_reads ON prompt_sections;
DROP POLICY tenant_removes ON prompt_sections;
DROP POLICY tenant_adds ON prompt_sections;
CREATE POLICY tenant_adds ON prompt_sections FOR INSERT TO frontdesk_tenant
    WITH CHECK (tenant_id = app_tenant_id());
CREATE POLICY tenant_removes ON prompt_sections FOR DELETE TO frontdesk_tenant
    USING (tenant_id = app_tenant_id());
CREATE POLICY admin_base ON prompt_sections TO frontdesk_admin
    USING (tenant_id IS NULL) WITH CHECK (tenant_id IS NULL);
