-- In the place of the one over all of a person's sessions, which PostgreSQL might prefer: it would read those that are over, too. That
-- one also served who removes a person, which nobody may.
CREATE INDEX sessions_standing ON sessions (user_id, expires_at) WHERE revoked_at IS NULL;
DROP INDEX sessions_user_id;
-- Whoever ends a person's sessions looks at those that stand, which are a hundred at the most from here on. Of those from before the
-- newest stay. The owner is held by the policies too, so they are lifted for the length of this transaction.
-- From here on nobody reads it either, until this is over.
ALTER TABLE sessions NO FORCE ROW LEVEL SECURITY;
UPDATE sessions SET revoked_at = now()
FROM (SELECT id, row_number() OVER (PARTITION BY user_id ORDER BY created_at DESC, id DESC) AS place
      FROM sessions WHERE revoked_at IS NULL AND expires_at > now()) AS standing
WHERE standing.id = sessions.id AND standing.place > 100;
ALTER TABLE sessions FORCE ROW LEVEL SECURITY;
GRANT SELECT (expires_at) ON sessions TO frontdesk_tenant, frontdesk_admin;
