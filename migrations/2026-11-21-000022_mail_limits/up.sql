ALTER TABLE email_received
    -- Who wrote it; `address` is who wants the answer, which the other side chooses anew for each mail if it likes.
    ADD COLUMN from_address text,
    -- When Gmail had it: what is read late may have been answered by hand.
    ADD COLUMN arrived_at timestamptz;
CREATE INDEX email_received_by_writer ON email_received (tenant_id, from_address, created_at);
CREATE INDEX email_received_by_time ON email_received (tenant_id, created_at);

-- The worker looks for mailboxes that nobody looks after: whose they are, and which connection. Of others it sees nothing.
CREATE POLICY worker_reads_open ON email_settings FOR SELECT TO frontdesk_worker
    USING (connected_address IS NOT NULL AND revoked_at IS NULL);
GRANT SELECT (tenant_id, generation) ON email_settings TO frontdesk_worker;
