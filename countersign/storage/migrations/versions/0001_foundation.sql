-- Accounts and people ------------------------------------------------------------------------------------------
CREATE TABLE accounts (
    id                   uuid PRIMARY KEY,
    name                 text NOT NULL,
    prime_liquidity      boolean NOT NULL,
    wrong_codes_in_a_row integer NOT NULL DEFAULT 0,
    frozen_at            timestamptz,
    audit_number         bigint NOT NULL DEFAULT 0,
    created_at           timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
    id                uuid PRIMARY KEY,
    name              text NOT NULL,
    email             text NOT NULL UNIQUE,
    phone             text,
    two_factor_method text NOT NULL CHECK (two_factor_method IN ('none', 'authenticator', 'sms')),
    totp_seed         bytea,
    totp_last_step    bigint NOT NULL DEFAULT 0,
    staff_role        text CHECK (staff_role IN ('account_manager', 'ops')),
    created_at        timestamptz NOT NULL DEFAULT now(),
    CHECK (two_factor_method <> 'authenticator' OR totp_seed IS NOT NULL),
    CHECK (two_factor_method <> 'sms' OR phone IS NOT NULL)
);

CREATE TABLE memberships (
    account_id uuid NOT NULL REFERENCES accounts,
    user_id    uuid NOT NULL REFERENCES users,
    role       text NOT NULL CHECK (role IN ('owner', 'member')),
    PRIMARY KEY (account_id, user_id)
);
CREATE INDEX memberships_of_user ON memberships (user_id);

CREATE TABLE account_manager_assignments (
    account_id uuid NOT NULL REFERENCES accounts,
    user_id    uuid NOT NULL REFERENCES users,
    PRIMARY KEY (account_id, user_id)
);
CREATE INDEX assignments_of_user ON account_manager_assignments (user_id);

-- Credentials --------------------------------------------------------------------------------------------------
CREATE TABLE credentials (
    id            uuid PRIMARY KEY,
    account_id    uuid NOT NULL REFERENCES accounts,
    kind          text NOT NULL CHECK (kind IN ('api_key', 'fix')),
    name          text NOT NULL,
    name_key      text NOT NULL,
    public_id     text NOT NULL UNIQUE,
    session_type  text CHECK (session_type IN ('trade', 'market_data')),
    permissions   text[] NOT NULL DEFAULT '{}',
    ip_whitelist  text[] NOT NULL DEFAULT '{}',
    status        text NOT NULL CHECK (status IN ('inactive', 'awaiting_activation', 'active', 'discarded')),
    version       integer NOT NULL DEFAULT 1,
    secret_sealed bytea,
    password_mac  bytea,
    mac_key_id    text,
    created_by    uuid NOT NULL REFERENCES users,
    created_at    timestamptz NOT NULL DEFAULT now(),
    changed_at    timestamptz NOT NULL DEFAULT now(),
    CHECK ((kind = 'fix') = (session_type IS NOT NULL)),
    CHECK (status = 'discarded' OR (kind = 'api_key') = (secret_sealed IS NOT NULL)),
    CHECK (status = 'discarded' OR (kind = 'fix') = (password_mac IS NOT NULL))
);
CREATE UNIQUE INDEX credentials_api_key_name ON credentials (account_id, name_key)
    WHERE kind = 'api_key' AND status <> 'discarded';
CREATE UNIQUE INDEX credentials_session_name ON credentials (name) WHERE kind = 'fix';
CREATE INDEX credentials_of_account ON credentials (account_id, created_at DESC);

-- Requests -----------------------------------------------------------------------------------------------------
CREATE TABLE requests (
    id                 uuid PRIMARY KEY,
    account_id         uuid NOT NULL REFERENCES accounts,
    user_id            uuid NOT NULL REFERENCES users,
    credential_id      uuid NOT NULL,
    credential_version integer NOT NULL,
    journey            text NOT NULL,
    step               text NOT NULL,
    outcome            text,
    reason             text,
    name               text NOT NULL,
    name_key           text NOT NULL,
    session_type       text,
    permissions        text[] NOT NULL DEFAULT '{}',
    ip_whitelist       text[] NOT NULL DEFAULT '{}',
    two_factor_method  text NOT NULL,
    deadline           timestamptz,
    asked_at           timestamptz,
    reminders          integer NOT NULL DEFAULT 0,
    reveal_challenge   text,
    reveal_sealed      bytea,
    revealed_at        timestamptz,
    saved_at           timestamptz,
    dispatched_at      timestamptz,
    nudge              boolean NOT NULL DEFAULT false,
    created_at         timestamptz NOT NULL DEFAULT now(),
    changed_at         timestamptz NOT NULL DEFAULT now(),
    closed_at          timestamptz,
    CHECK ((outcome IS NULL) = (step <> 'closed')),
    CHECK (outcome IS NULL OR reveal_sealed IS NULL)
);
CREATE UNIQUE INDEX requests_one_open_per_credential ON requests (credential_id) WHERE outcome IS NULL;
CREATE UNIQUE INDEX requests_reserved_name ON requests (account_id, name_key)
    WHERE outcome IS NULL AND journey = 'create-api-key';
CREATE INDEX requests_of_credential ON requests (credential_id, created_at DESC);
CREATE INDEX requests_of_account ON requests (account_id, created_at DESC);
CREATE INDEX requests_open_of_user ON requests (user_id) WHERE outcome IS NULL;
CREATE INDEX requests_open_at_step ON requests (step, created_at) WHERE outcome IS NULL;
CREATE INDEX requests_to_nudge ON requests (changed_at) WHERE nudge;
CREATE INDEX requests_revealed ON requests (revealed_at) WHERE reveal_sealed IS NOT NULL;

CREATE TABLE idempotency_keys (
    account_id uuid NOT NULL REFERENCES accounts,
    user_id    uuid NOT NULL REFERENCES users,
    route      text NOT NULL,
    key        text NOT NULL,
    body_hash  bytea NOT NULL,
    request_id uuid NOT NULL REFERENCES requests,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, user_id, route, key)
);

-- Codes --------------------------------------------------------------------------------------------------------
CREATE TABLE challenges (
    id          uuid PRIMARY KEY,
    request_id  uuid NOT NULL REFERENCES requests,
    account_id  uuid NOT NULL REFERENCES accounts,
    step        text NOT NULL,
    channel     text NOT NULL CHECK (channel IN ('authenticator', 'sms', 'email')),
    key_id      text NOT NULL,
    wrong_codes integer NOT NULL DEFAULT 0,
    solved_at   timestamptz,
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (request_id, step)
);

CREATE TABLE code_sends (
    challenge_id uuid NOT NULL REFERENCES challenges,
    number       integer NOT NULL,
    account_id   uuid NOT NULL REFERENCES accounts,
    channel      text NOT NULL,
    opened_at    timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    delivery     text NOT NULL CHECK (delivery IN ('not_needed', 'sending', 'sent', 'failed')),
    failure      text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (challenge_id, number)
);
CREATE INDEX code_sends_per_hour ON code_sends (account_id, opened_at) WHERE channel <> 'authenticator';
CREATE INDEX code_sends_stuck ON code_sends (created_at) WHERE delivery = 'sending';

CREATE TABLE message_verdicts (
    request_id  uuid NOT NULL REFERENCES requests,
    message_key text NOT NULL,
    account_id  uuid NOT NULL REFERENCES accounts,
    kind        text NOT NULL,
    problem     text,
    detail      text,
    extra       jsonb NOT NULL DEFAULT '{}',
    at          timestamptz NOT NULL,
    PRIMARY KEY (request_id, message_key)
);
CREATE INDEX message_verdicts_wrong_per_hour ON message_verdicts (account_id, at) WHERE problem = 'wrong-code';

CREATE TABLE used_statements (
    id         text PRIMARY KEY,
    request_id uuid NOT NULL REFERENCES requests,
    used_at    timestamptz NOT NULL DEFAULT now()
);

-- Notices and audit --------------------------------------------------------------------------------------------
CREATE TABLE notices (
    id         uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts,
    request_id uuid,
    user_id    uuid NOT NULL REFERENCES users,
    event      text NOT NULL,
    context    jsonb NOT NULL,
    due_at     timestamptz NOT NULL DEFAULT now(),
    attempts   integer NOT NULL DEFAULT 0,
    sent_at    timestamptz,
    failed_at  timestamptz,
    failure    text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX notices_due ON notices (due_at) WHERE sent_at IS NULL AND failed_at IS NULL;

CREATE TABLE audit_events (
    account_id    uuid NOT NULL REFERENCES accounts,
    number        bigint NOT NULL,
    event         text NOT NULL,
    at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor_kind    text NOT NULL,
    actor_id      uuid,
    ip            inet,
    request_id    uuid,
    credential_id uuid,
    details       jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (account_id, number)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_events is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The application's role: everything it needs, and no way to rewrite the audit trail ------------------------------
DO $$
BEGIN
    CREATE ROLE countersign_app NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$;
GRANT USAGE ON SCHEMA public TO countersign_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO countersign_app;
REVOKE UPDATE, DELETE, TRUNCATE ON audit_events FROM countersign_app;
