DO $$
DECLARE
    policy record;
BEGIN
    FOR policy IN
        SELECT policyname, tablename,
            replace(qual, 'app_conversation_id_is_unset()', '(app_conversation_id() IS NULL)') AS sees,
            replace(with_check, 'app_conversation_id_is_unset()', '(app_conversation_id() IS NULL)') AS writes
        FROM pg_policies
        WHERE schemaname = 'public' AND concat(qual, with_check) LIKE '%app_conversation_id_is_unset()%'
    LOOP
        EXECUTE format('ALTER POLICY %I ON %I', policy.policyname, policy.tablename)
            || coalesce(' USING (' || policy.sees || ')', '') || coalesce(' WITH CHECK (' || policy.writes || ')', '');
    END LOOP;
END
$$;
DROP FUNCTION app_conversation_id_is_unset();
