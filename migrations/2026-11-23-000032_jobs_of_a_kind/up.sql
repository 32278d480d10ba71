-- Hands for answers and hands for all else look for jobs apart, and neither is to read what waits for the other. jobs_due stays: by it
-- tenants are found that have anything in line.
CREATE INDEX jobs_answers ON jobs (tenant_id, run_at, id) WHERE state <> 'DEAD' AND kind = 'answer';
CREATE INDEX jobs_others ON jobs (tenant_id, run_at, id) WHERE state <> 'DEAD' AND kind <> 'answer';
