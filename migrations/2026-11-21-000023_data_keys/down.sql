-- What was sealed under a data key can't be opened without it: such secrets must be set anew.
DELETE FROM tenant_secrets WHERE tenant_id IN (SELECT tenant_id FROM tenant_keys);
DROP TABLE tenant_keys;
