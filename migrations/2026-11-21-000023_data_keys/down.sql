-- What was sealed under a data key can't be opened without it: such secrets must be set anew. The owner is held by the policies
-- too, so they are lifted for the length of this transaction.
ALTER TABLE tenant_secrets NO FORCE ROW LEVEL SECURITY;
ALTER TABLE tenant_keys NO FORCE ROW LEVEL SECURITY;
DELETE FROM tenant_secrets WHERE tenant_id IN (SELECT tenant_id FROM tenant_keys);
ALTER TABLE tenant_secrets FORCE ROW LEVEL SECURITY;
DROP TABLE tenant_keys;
