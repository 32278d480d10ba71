-- When somebody last asked for texts again. Their words may come in another order than they were said: a STOP from before then says
-- nothing any more. A table of its own, so that the program before this one goes on as it did.
CREATE TABLE opt_ins (
    tenant_id bigint NOT NULL REFERENCES tenants (id),
    phone text NOT NULL,
    said_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, phone)
);

ALTER TABLE opt_ins ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_own ON opt_ins TO frontdesk_tenant
    USING (tenant_id = app_tenant_id()) WITH CHECK (tenant_id = app_tenant_id());
CREATE POLICY visitor_sees_none ON opt_ins AS RESTRICTIVE TO frontdesk_tenant
    USING ((SELECT app_conversation_id_is_unset())) WITH CHECK ((SELECT app_conversation_id_is_unset()));
GRANT SELECT, INSERT, UPDATE ON opt_ins TO frontdesk_tenant;
-- A later STOP moves the time of an earlier one.
GRANT UPDATE (created_at) ON opt_outs TO frontdesk_tenant;
