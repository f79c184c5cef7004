-- Changes of a person's two-factor method: requests whose "credential" is the person, so that one is open at a time.
-- The new authenticator's seed lies in reveal_sealed, and goes with the end of the request as every sealed copy does.
-- kept_session is the SHA-256 of the token of the browser session that began it: the one that outlives the change.
ALTER TABLE requests
    ADD COLUMN change_to text CHECK (change_to IN ('authenticator', 'sms', 'off', 'recovery_codes')),
    ADD COLUMN new_phone text,
    ADD COLUMN kept_session bytea,
    ADD CHECK ((journey = 'change-two-factor') = (change_to IS NOT NULL)),
    ADD CHECK ((new_phone IS NOT NULL) = (change_to IS NOT NULL AND change_to = 'sms' AND outcome IS NULL)),
    ADD CHECK (kept_session IS NULL OR (change_to IS NOT NULL AND outcome IS NULL)),
    -- Where no code comes before the seed, nothing else says which of the person's sessions may see it.
    ADD CHECK (change_to <> 'authenticator' OR two_factor_method <> 'none' OR reveal_challenge IS NOT NULL);

CREATE TABLE recovery_codes (
    user_id    uuid NOT NULL REFERENCES users,
    code_mac   bytea NOT NULL,
    key_id     text NOT NULL,
    used_at    timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, code_mac)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON recovery_codes TO countersign_app;
