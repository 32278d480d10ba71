ALTER TABLE knowledge_chunks DROP COLUMN search, DROP COLUMN language;
ALTER TABLE knowledge_chunks ADD COLUMN language regconfig NOT NULL DEFAULT 'english';
ALTER TABLE knowledge_chunks
    ADD COLUMN search tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector(language, text)) STORED;
CREATE INDEX knowledge_chunks_search ON knowledge_chunks USING gin (search);
ALTER TABLE retrieval_settings DROP COLUMN language;
DROP FUNCTION search_config(text);
