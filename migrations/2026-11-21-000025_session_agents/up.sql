-- What a sign-in came from, in its own words (`User-Agent`), so that a person knows their devices in a list.
ALTER TABLE sessions
    ADD COLUMN agent text CONSTRAINT sessions_agent_length CHECK (length(agent) BETWEEN 1 AND 200);
