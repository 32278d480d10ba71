DO $$
DECLARE
    policy record;
    -- As PostgreSQL writes it.
    once CONSTANT text := '( SELECT app_conversation_id_is_unset() AS app_conversation_id_is_unset)';
BEGIN
    FOR policy IN
        SELECT policyname, tablename,
            replace(qual, once, 'app_conversation_id_is_unset()') AS sees,
            replace(with_check, once, 'app_conversation_id_is_unset()') AS writes
        FROM pg_policies
        WHERE schemaname = 'public' AND concat(qual, with_check) LIKE '%SELECT app_conversation_id_is_unset()%'
    LOOP
        EXECUTE format('ALTER POLICY %I ON %I', policy.policyname, policy.tablename)
            || coalesce(' USING (' || policy.sees || ')', '') || coalesce(' WITH CHECK (' || policy.writes || ')', '');
    END LOOP;
END
$$;
