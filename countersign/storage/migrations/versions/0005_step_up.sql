-- Funds permissions are held back for a while after how a person is reached or confirms was changed ------------------
ALTER TABLE users
    ADD COLUMN security_changed_at timestamptz,
    ADD COLUMN security_changed text[] NOT NULL DEFAULT '{}';
ALTER TABLE credentials ADD COLUMN funds_from timestamptz;

-- Links in mails that stop what they tell of: the token is derived from the key ring and stored nowhere --------------
CREATE TABLE stops (
    id            uuid PRIMARY KEY,
    account_id    uuid NOT NULL REFERENCES accounts,
    user_id       uuid NOT NULL REFERENCES users,
    kind          text NOT NULL CHECK (kind IN ('credential', 'security_change')),
    request_id    uuid,
    credential_id uuid,
    from_version  integer,
    key_id        text NOT NULL,
    expires_at    timestamptz NOT NULL,
    pressed_at    timestamptz,
    effect        text CHECK (effect IN ('cancelled', 'deactivated', 'nothing_left', 'frozen')),
    created_at    timestamptz NOT NULL DEFAULT now(),
    CHECK ((kind = 'credential') = (credential_id IS NOT NULL)),
    CHECK ((kind = 'credential') = (from_version IS NOT NULL)),
    CHECK ((pressed_at IS NULL) = (effect IS NULL))
);

-- A changed email is told to the old address, which is in no other row any more: gone once the mail is out -----------
ALTER TABLE notices
    ADD COLUMN stop_id uuid REFERENCES stops,
    ADD COLUMN address text,
    ADD CHECK (address IS NULL OR (sent_at IS NULL AND failed_at IS NULL));

-- Decisions that were refused, all of them: the trail tells of the first ones and then of fewer and fewer -------------
ALTER TABLE requests ADD COLUMN decisions_refused integer NOT NULL DEFAULT 0;
CREATE INDEX requests_with_refused_decisions ON requests (decisions_refused) WHERE decisions_refused > 0;

GRANT SELECT, INSERT, UPDATE ON stops TO countersign_app;
