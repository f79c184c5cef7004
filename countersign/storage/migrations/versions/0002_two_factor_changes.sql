-- Changes of a person's two-factor method: requests whose "credential" is the person, so that one is open at a time.
-- The new authenticator's seed lies in reveal_sealed, and goes with the end of the request as every sealed copy does.
ALTER TABLE requests
    ADD COLUMN change_to text CHECK (change_to IN ('authenticator', 'sms', 'off', 'recovery_codes')),
    ADD COLUMN new_phone text,
    ADD CHECK ((journey = 'change-two-factor') = (change_to IS NOT NULL)),
    ADD CHECK ((new_phone IS NOT NULL) = (change_to IS NOT NULL AND change_to = 'sms' AND outcome IS NULL));

CREATE TABLE recovery_codes (
    user_id    uuid NOT NULL REFERENCES users,
    code_mac   bytea NOT NULL,
    key_id     text NOT NULL,
    used_at    timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, code_mac)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON recovery_codes TO countersign_app;
