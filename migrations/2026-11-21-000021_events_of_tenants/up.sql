-- An event is known by its provider's name for it, and a tenant with a key of its own chooses that name: it must not stand in
-- the way of another tenant's. What was kept for nobody does not keep the same event from the tenant that it belongs to by now.
ALTER TABLE webhook_deliveries DROP CONSTRAINT webhook_deliveries_event_key;
ALTER TABLE webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_event_key UNIQUE NULLS NOT DISTINCT (provider, tenant_id, event_id);
