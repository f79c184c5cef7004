-- What is frozen for all accounts: the newest row holds. It is its own history, so nobody may change or delete a row. ----
CREATE TABLE house_freezes (
    number  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    frozen  text NOT NULL CHECK (frozen IN ('none', 'new', 'all')),
    done_by text NOT NULL CHECK (done_by <> ''),
    user_id uuid REFERENCES users,
    reason  text NOT NULL CHECK (reason <> ''),
    at      timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT ON house_freezes TO countersign_app;
GRANT INSERT (frozen, done_by, user_id, reason) ON house_freezes TO countersign_app;

-- Whoever stops everything goes from account to account that has something active ------------------------------------
CREATE INDEX credentials_active ON credentials (account_id) WHERE status = 'active';
