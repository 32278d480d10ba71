-- The guard's ground floor: roles without login, one for each kind of work. The server signs in as a
-- plain role that owns nothing and inherits nothing, and takes one of these for the length of a transaction.
-- Roles belong to the whole cluster, so another database (or another node) may make them at the same time.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['frontdesk_tenant', 'frontdesk_admin', 'frontdesk_identity', 'frontdesk_worker'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', wanted);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
END
$$;

GRANT USAGE ON SCHEMA public TO frontdesk_tenant, frontdesk_admin, frontdesk_identity, frontdesk_worker;

-- The tenant of the running transaction, or NULL (which equals nothing) when none was set.
CREATE FUNCTION app_tenant_id() RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('app.tenant_id', true), '')::bigint;
