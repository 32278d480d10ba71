-- A version that was published is not changed any more: sections come and go in drafts only, and a bundle that left
-- DRAFT keeps its name and number for ever.
DROP POLICY tenant_adds ON prompt_sections;
DROP POLICY tenant_removes ON prompt_sections;
DROP POLICY admin_base ON prompt_sections;
CREATE POLICY tenant_adds ON prompt_sections FOR INSERT TO frontdesk_tenant
    WITH CHECK (tenant_id = app_tenant_id() AND EXISTS (SELECT FROM prompt_bundles b
        WHERE b.id = bundle_id AND b.tenant_id = app_tenant_id() AND b.status = 'DRAFT'));
CREATE POLICY tenant_removes ON prompt_sections FOR DELETE TO frontdesk_tenant
    USING (tenant_id = app_tenant_id() AND EXISTS (SELECT FROM prompt_bundles b
        WHERE b.id = bundle_id AND b.tenant_id = app_tenant_id() AND b.status = 'DRAFT'));
CREATE POLICY admin_reads ON prompt_sections FOR SELECT TO frontdesk_admin USING (tenant_id IS NULL);
CREATE POLICY admin_adds ON prompt_sections FOR INSERT TO frontdesk_admin
    WITH CHECK (tenant_id IS NULL AND EXISTS (SELECT FROM prompt_bundles b
        WHERE b.id = bundle_id AND b.tenant_id IS NULL AND b.status = 'DRAFT'));
CREATE POLICY admin_removes ON prompt_sections FOR DELETE TO frontdesk_admin
    USING (tenant_id IS NULL AND EXISTS (SELECT FROM prompt_bundles b
        WHERE b.id = bundle_id AND b.tenant_id IS NULL AND b.status = 'DRAFT'));

CREATE FUNCTION prompt_bundles_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status <> 'DRAFT' AND (NEW.status = 'DRAFT' OR (NEW.name, NEW.version) IS DISTINCT FROM (OLD.name, OLD.version)) THEN
        RAISE EXCEPTION 'a published version is not changed' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER prompt_bundles_frozen BEFORE UPDATE ON prompt_bundles
    FOR EACH ROW EXECUTE FUNCTION prompt_bundles_frozen();

-- Tenants see the base that is in production, and none of its drafts.
DROP POLICY tenant_reads ON prompt_bundles;
CREATE POLICY tenant_reads ON prompt_bundles FOR SELECT TO frontdesk_tenant
    USING (tenant_id = app_tenant_id() OR (tenant_id IS NULL AND status = 'PRODUCTION'));
DROP POLICY tenant_reads ON prompt_sections;
CREATE POLICY tenant_reads ON prompt_sections FOR SELECT TO frontdesk_tenant
    USING (tenant_id = app_tenant_id() OR (tenant_id IS NULL AND EXISTS (SELECT FROM prompt_bundles b
        WHERE b.id = bundle_id AND b.tenant_id IS NULL AND b.status = 'PRODUCTION')));

-- Which tenants a new base would reach is worked out from the shape of their prompts, never from what they say.
CREATE POLICY worker_reads_production ON prompt_bundles FOR SELECT TO frontdesk_worker USING (status = 'PRODUCTION');
CREATE POLICY worker_reads_production ON prompt_sections FOR SELECT TO frontdesk_worker
    USING (EXISTS (SELECT FROM prompt_bundles b WHERE b.id = bundle_id AND b.status = 'PRODUCTION'));
GRANT SELECT (id, tenant_id, status) ON prompt_bundles TO frontdesk_worker;
GRANT SELECT (tenant_id, bundle_id, key, position, channels, is_locked) ON prompt_sections TO frontdesk_worker;
