-- Signed-in browsers: the cookie's token is kept as its SHA-256 alone --------------------------------------------
CREATE TABLE sessions (
    token_hash bytea PRIMARY KEY,
    user_id    uuid NOT NULL REFERENCES users,
    account_id uuid REFERENCES accounts,
    created_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_expired ON sessions (expires_at);
CREATE INDEX sessions_of_user ON sessions (user_id);

-- Workers say that they are at work, so that pages can say when none is ------------------------------------------
CREATE TABLE heartbeats (
    task_queue text PRIMARY KEY,
    at         timestamptz NOT NULL
);

CREATE INDEX audit_events_of_credential ON audit_events (account_id, credential_id, number DESC);

-- What ops search for: requests of all accounts, newest first, and by how a name begins
CREATE INDEX requests_newest ON requests (created_at DESC, id DESC);
CREATE INDEX requests_of_name ON requests (lower(name_key) text_pattern_ops);

GRANT SELECT, INSERT, UPDATE, DELETE ON sessions, heartbeats TO countersign_app;
