-- Somebody wants a reply stopped. The node that writes it hears so at once over Redis; where that is away, it reads it here
-- with its next heartbeat, and housekeeping minds it for a reply whose node is gone.
ALTER TABLE messages ADD COLUMN stop_requested_at timestamptz;
-- Replies of a conversation are written one after the other: the first that is open comes next.
CREATE INDEX messages_open ON messages (tenant_id, conversation_id, id) WHERE lease_expires_at IS NOT NULL;
