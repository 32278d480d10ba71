-- The policies that hold visitors to their conversation said `app_conversation_id() IS NULL` of everybody else. PostgreSQL takes
-- IS NULL of an expression to be true of one row in two hundred, so it counted on finding next to nothing, and read and sorted
-- all rows of a tenant for a page of twenty. Of <> it takes the opposite for granted. Who sees what stays as it is. The
-- name holds the other's, by which the program before this one knows such a policy when it starts.
CREATE FUNCTION app_conversation_id_is_unset() RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN app_conversation_id() IS NULL THEN 'somebody else' ELSE 'visitor' END <> 'visitor';

DO $$
DECLARE
    policy record;
BEGIN
    FOR policy IN
        SELECT policyname, tablename,
            replace(qual, '(app_conversation_id() IS NULL)', 'app_conversation_id_is_unset()') AS sees,
            replace(with_check, '(app_conversation_id() IS NULL)', 'app_conversation_id_is_unset()') AS writes
        FROM pg_policies
        WHERE schemaname = 'public' AND concat(qual, with_check) LIKE '%(app_conversation_id() IS NULL)%'
    LOOP
        EXECUTE format('ALTER POLICY %I ON %I', policy.policyname, policy.tablename)
            || coalesce(' USING (' || policy.sees || ')', '') || coalesce(' WITH CHECK (' || policy.writes || ')', '');
    END LOOP;
END
$$;
