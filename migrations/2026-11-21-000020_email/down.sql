DROP TABLE email_replies;
DROP TABLE email_received;
DROP TABLE email_threads;
DROP TABLE email_consents;
REVOKE SELECT (tenant_id, connected_address) ON email_settings FROM frontdesk_identity;
DROP POLICY identity_reads ON email_settings;
ALTER TABLE email_settings
    DROP CONSTRAINT email_settings_history_is_a_number,
    DROP CONSTRAINT email_settings_revoked_where_connected,
    DROP CONSTRAINT email_settings_revoked_with_a_reason,
    DROP COLUMN watch_renewed_at,
    DROP COLUMN refresh_lease_until,
    DROP COLUMN access_expires_at,
    DROP COLUMN revoked_reason,
    DROP COLUMN revoked_at,
    DROP COLUMN connected_by,
    DROP COLUMN generation;
