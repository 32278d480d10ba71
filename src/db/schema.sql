-- Prints `schema.rs` from the catalogue of a migrated database. The wall test `walls::diesel_schema` runs it and
-- compares; `UPDATE_SCHEMA=1 cargo test diesel_schema` writes the file anew. Columns that Rust never reads are left out.
SELECT string_agg(t, E'\n' ORDER BY n) FROM (
 SELECT c.relname n, format(E'diesel::table! {\n    %s (%s) {\n%s\n    }\n}\n', c.relname,
   (SELECT string_agg(a.attname, ', ' ORDER BY k.o) FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k(n,o), pg_attribute a WHERE i.indrelid=c.oid AND i.indisprimary AND a.attrelid=c.oid AND a.attnum=k.n),
   (SELECT string_agg(format('        %s -> %s,', CASE a.attname WHEN 'type' THEN 'type_' ELSE a.attname END,
      CASE WHEN a.attnotnull THEN ty ELSE 'Nullable<'||ty||'>' END), E'\n' ORDER BY a.attnum)
     FROM pg_attribute a CROSS JOIN LATERAL (SELECT CASE a.atttypid::regtype::text WHEN 'bigint' THEN 'Int8' WHEN 'integer' THEN 'Int4' WHEN 'text' THEN 'Text' WHEN 'boolean' THEN 'Bool' WHEN 'timestamp with time zone' THEN 'Timestamptz' WHEN 'jsonb' THEN 'Jsonb' WHEN 'date' THEN 'Date' WHEN 'bytea' THEN 'Bytea' WHEN 'uuid' THEN 'Uuid' ELSE '?'||a.atttypid::regtype::text END ty) x
     WHERE a.attrelid=c.oid AND a.attnum>0 AND NOT a.attisdropped AND a.atttypid::regtype::text NOT IN ('tsvector','regconfig'))) t
 FROM pg_class c WHERE c.relkind='r' AND c.relnamespace='public'::regnamespace AND c.relname NOT LIKE '\_\_%') s;
