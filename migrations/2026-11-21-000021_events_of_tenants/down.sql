ALTER TABLE webhook_deliveries DROP CONSTRAINT webhook_deliveries_event_key;
-- The owner is held by the policies too, so they are lifted for the length of this transaction.
ALTER TABLE webhook_deliveries NO FORCE ROW LEVEL SECURITY;
ALTER TABLE jobs NO FORCE ROW LEVEL SECURITY;
-- Of doubles, the oldest stays. The others go with what was still to be done of them.
DELETE FROM jobs USING webhook_deliveries AS one, webhook_deliveries AS other
    WHERE jobs.tenant_id = one.tenant_id AND jobs.delivery_id = one.id
      AND one.provider = other.provider AND one.event_id = other.event_id AND one.id > other.id;
DELETE FROM webhook_deliveries AS one USING webhook_deliveries AS other
    WHERE one.provider = other.provider AND one.event_id = other.event_id AND one.id > other.id;
ALTER TABLE jobs FORCE ROW LEVEL SECURITY;
ALTER TABLE webhook_deliveries FORCE ROW LEVEL SECURITY;
ALTER TABLE webhook_deliveries ADD CONSTRAINT webhook_deliveries_event_key UNIQUE (provider, event_id);
