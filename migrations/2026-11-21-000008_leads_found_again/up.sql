-- A lead found again by number or address is the same lead: two unique indexes say so, also under parallel creation.
-- The owner is held by the policies too, so they are lifted for the length of this transaction.
ALTER TABLE leads NO FORCE ROW LEVEL SECURITY;
-- Of doubles, the oldest keeps the number or address; the others keep it among their notes.
UPDATE leads SET phone = NULL, notes = concat_ws(E'\n', leads.notes, 'Phone: ' || leads.phone)
FROM (SELECT id, row_number() OVER (PARTITION BY tenant_id, phone ORDER BY created_at, id) AS place
      FROM leads WHERE phone IS NOT NULL) doubles
WHERE doubles.id = leads.id AND doubles.place > 1;
UPDATE leads SET email = NULL, notes = concat_ws(E'\n', leads.notes, 'E-mail: ' || leads.email)
FROM (SELECT id, row_number() OVER (PARTITION BY tenant_id, lower(email) ORDER BY created_at, id) AS place
      FROM leads WHERE email IS NOT NULL) doubles
WHERE doubles.id = leads.id AND doubles.place > 1;
ALTER TABLE leads FORCE ROW LEVEL SECURITY;
DROP INDEX leads_by_phone;
DROP INDEX leads_by_email;
CREATE UNIQUE INDEX leads_phone_key ON leads (tenant_id, phone) WHERE phone IS NOT NULL;
CREATE UNIQUE INDEX leads_email_key ON leads (tenant_id, lower(email)) WHERE email IS NOT NULL;

-- What lists by name are sorted by, and what their cursors hold.
ALTER TABLE leads ADD COLUMN sort_name text NOT NULL GENERATED ALWAYS AS (lower(coalesce(name, ''))) STORED;
CREATE INDEX leads_by_name ON leads (tenant_id, sort_name, id);
CREATE INDEX leads_last_changed ON leads (tenant_id, updated_at DESC, id DESC);
CREATE INDEX conversations_last_changed ON conversations (tenant_id, updated_at DESC, id DESC);
