DROP INDEX conversations_last_changed;
DROP INDEX leads_last_changed;
DROP INDEX leads_by_name;
ALTER TABLE leads DROP COLUMN sort_name;
DROP INDEX leads_email_key;
DROP INDEX leads_phone_key;
CREATE INDEX leads_by_phone ON leads (tenant_id, phone) WHERE phone IS NOT NULL;
CREATE INDEX leads_by_email ON leads (tenant_id, lower(email)) WHERE email IS NOT NULL;
