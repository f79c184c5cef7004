-- Which key is meant by which id: a MAC of the id under a key that every process holds, written at first use ------
-- A key counts as needed from the moment a process worked with it as its current one until it is retired.
CREATE TABLE key_checks (
    key_id        text PRIMARY KEY,
    check_mac     bytea NOT NULL,
    current_since timestamptz,
    current_until timestamptz,
    retired_at    timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    CHECK ((current_since IS NULL) = (current_until IS NULL))
);

-- Processes say which keys they hold, so that no key takes over or goes before all are ready ----------------------
CREATE TABLE key_holders (
    process_id  uuid PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('api', 'worker')),
    current_key text NOT NULL,
    key_ids     text[] NOT NULL,
    seen_at     timestamptz NOT NULL
);

GRANT SELECT, INSERT, UPDATE ON key_checks TO countersign_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON key_holders TO countersign_app;
