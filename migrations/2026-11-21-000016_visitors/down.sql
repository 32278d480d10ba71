DO $$
DECLARE
    closed regclass;
BEGIN
    FOR closed IN SELECT polrelid FROM pg_policy WHERE polname = 'visitor_sees_none' LOOP
        EXECUTE format('DROP POLICY visitor_sees_none ON %s', closed);
    END LOOP;
END
$$;
DROP POLICY visitor_adds_none ON usage_entries;
DROP POLICY visitor_changes_none ON tenants;
DROP POLICY visitor_reads_none ON audit_entries;
DROP POLICY visitor_keeps ON messages;
DROP POLICY visitor_keeps ON conversations;
DROP POLICY visitor_bound ON messages;
DROP POLICY visitor_bound ON conversations;
DROP TABLE visitor_sessions;
DROP FUNCTION app_conversation_id();
