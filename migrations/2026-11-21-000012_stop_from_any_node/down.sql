DROP INDEX messages_open;
ALTER TABLE messages DROP COLUMN stop_requested_at;
