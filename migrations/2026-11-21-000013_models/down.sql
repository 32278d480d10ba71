ALTER TABLE messages DROP COLUMN failure_cause;
ALTER TABLE tenant_secrets NO FORCE ROW LEVEL SECURITY;
DELETE FROM tenant_secrets WHERE name IN ('openai_api_key', 'gemini_api_key');
ALTER TABLE tenant_secrets FORCE ROW LEVEL SECURITY;
DROP TABLE model_settings;
