-- Words are compared as those of the tenant's language are. Each piece says its own, so that what is stored and what is
-- searched for can't drift apart: a change of the language changes the pieces in the same transaction.
ALTER TABLE retrieval_settings ADD COLUMN language text NOT NULL DEFAULT 'ENGLISH';

CREATE FUNCTION search_config(language text) RETURNS regconfig
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN CASE language
        WHEN 'SIMPLE' THEN 'pg_catalog.simple'::regconfig
        WHEN 'ENGLISH' THEN 'pg_catalog.english'::regconfig
        WHEN 'SPANISH' THEN 'pg_catalog.spanish'::regconfig
        WHEN 'FRENCH' THEN 'pg_catalog.french'::regconfig
        WHEN 'GERMAN' THEN 'pg_catalog.german'::regconfig
        WHEN 'PORTUGUESE' THEN 'pg_catalog.portuguese'::regconfig
        WHEN 'ITALIAN' THEN 'pg_catalog.italian'::regconfig
        WHEN 'DUTCH' THEN 'pg_catalog.dutch'::regconfig
        WHEN 'DANISH' THEN 'pg_catalog.danish'::regconfig
        WHEN 'NORWEGIAN' THEN 'pg_catalog.norwegian'::regconfig
        WHEN 'SWEDISH' THEN 'pg_catalog.swedish'::regconfig
        WHEN 'FINNISH' THEN 'pg_catalog.finnish'::regconfig
        WHEN 'RUSSIAN' THEN 'pg_catalog.russian'::regconfig
    END;
ALTER TABLE retrieval_settings ADD CHECK (search_config(language) IS NOT NULL);

-- A word in place of a regconfig, which pg_upgrade refuses to carry over. The index goes: behind a policy PostgreSQL may
-- not search it (docs/ARCHITECTURE.md), so all it did was slow down every write.
DROP INDEX knowledge_chunks_search;
ALTER TABLE knowledge_chunks DROP COLUMN search, DROP COLUMN language;
ALTER TABLE knowledge_chunks ADD COLUMN language text NOT NULL DEFAULT 'ENGLISH' CHECK (search_config(language) IS NOT NULL);
ALTER TABLE knowledge_chunks
    ADD COLUMN search tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector(search_config(language), text)) STORED;
-- A search reads it of every piece of a tenant: beside the row that is one place less to go to for each.
ALTER TABLE knowledge_chunks ALTER COLUMN search SET STORAGE MAIN;

-- From here on a namespace is chosen together with the key that opens it. Those before had no effect, and were not.
ALTER TABLE retrieval_settings NO FORCE ROW LEVEL SECURITY;
UPDATE retrieval_settings SET pinecone_namespace = NULL;
ALTER TABLE retrieval_settings FORCE ROW LEVEL SECURITY;
