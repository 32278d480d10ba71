-- The platform reads the log of all tenants at once, the newest first. While this is made, nothing is written to the log, and so
-- nothing that it would record is done: half a second for a million entries. Whose log is very large makes it before, beside the
-- running servers (docs/DEPLOY.md, "Updates"); it is found here then.
CREATE INDEX IF NOT EXISTS audit_entries_by_time ON audit_entries (at DESC, id DESC);
