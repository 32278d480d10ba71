REVOKE SELECT (tenant_id, generation) ON email_settings FROM frontdesk_worker;
DROP POLICY worker_reads_open ON email_settings;
DROP INDEX email_received_by_time;
DROP INDEX email_received_by_writer;
ALTER TABLE email_received DROP COLUMN arrived_at, DROP COLUMN from_address;
