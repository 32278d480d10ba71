-- The trace that put a job in line, as the W3C writes it: the job goes on with it, on whichever node. Ids alone.
ALTER TABLE jobs ADD COLUMN traceparent text
    CHECK (traceparent ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$');
