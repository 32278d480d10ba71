-- Whether a visitor asks is the same for all rows of a statement. As a query of its own it is found out once for each statement, and
-- not for each row. Who sees what stays as it is.
DO $$
DECLARE
    policy record;
BEGIN
    FOR policy IN
        SELECT policyname, tablename,
            replace(qual, 'app_conversation_id_is_unset()', '(SELECT app_conversation_id_is_unset())') AS sees,
            replace(with_check, 'app_conversation_id_is_unset()', '(SELECT app_conversation_id_is_unset())') AS writes
        FROM pg_policies
        WHERE schemaname = 'public' AND concat(qual, with_check) LIKE '%app_conversation_id_is_unset()%'
    LOOP
        EXECUTE format('ALTER POLICY %I ON %I', policy.policyname, policy.tablename)
            || coalesce(' USING (' || policy.sees || ')', '') || coalesce(' WITH CHECK (' || policy.writes || ')', '');
    END LOOP;
END
$$;
