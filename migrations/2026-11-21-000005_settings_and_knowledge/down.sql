DROP TABLE knowledge_chunks;
DROP TABLE knowledge_documents;
DROP TABLE tenant_secrets;
DROP TABLE retrieval_settings;
DROP TABLE email_settings;
DROP TABLE voice_settings;
DROP TABLE sms_settings;
