REVOKE SELECT (expires_at) ON sessions FROM frontdesk_tenant, frontdesk_admin;
CREATE INDEX sessions_user_id ON sessions (user_id);
DROP INDEX sessions_standing;
