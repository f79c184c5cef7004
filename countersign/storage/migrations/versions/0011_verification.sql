-- What verifiers are told, in the transaction that changes it: "credential <id> <version> revoked|changed", "account <id>"
-- A change of an active credential revokes it, whatever was changed; only how it is sealed is nobody's business.
CREATE FUNCTION tell_of_credential() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    sealing constant text[] := '{secret_sealed,mac_key_id,changed_at}';
    told public.credentials := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    effect text := 'changed';
BEGIN
    IF TG_OP = 'DELETE' THEN
        effect := 'revoked';
    ELSIF TG_OP = 'UPDATE' AND OLD.status = 'active'
        AND (to_jsonb(NEW) - sealing) IS DISTINCT FROM (to_jsonb(OLD) - sealing) THEN
        effect := 'revoked';
    END IF;
    PERFORM pg_notify('verification', format('credential %s %s %s', told.id, told.version, effect));
    RETURN NULL;
END $$;
CREATE TRIGGER tell_verifiers AFTER INSERT OR UPDATE OR DELETE ON credentials
    FOR EACH ROW EXECUTE FUNCTION tell_of_credential();

CREATE FUNCTION tell_of_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('verification', format('account %s', NEW.id));
    RETURN NULL;
END $$;
CREATE TRIGGER tell_verifiers AFTER UPDATE ON accounts
    FOR EACH ROW WHEN (OLD.prime_liquidity IS DISTINCT FROM NEW.prime_liquidity) EXECUTE FUNCTION tell_of_account();

-- Signatures of state-changing calls that were let through, for a little longer than they could come again -----------
-- Nothing is lost with it that a new signature would not mend, so it is not worth a write-ahead log: a crash empties it.
CREATE UNLOGGED TABLE used_signatures (
    minute bigint NOT NULL,
    digest bytea NOT NULL,
    PRIMARY KEY (minute, digest)
);

-- What came of calls, by day (UTC): counts, and when and from where the last one was ---------------------------------
CREATE TABLE credential_activity (
    credential_id uuid NOT NULL,
    outcome       text NOT NULL CHECK (outcome IN ('allowed', 'bad_signature', 'clock', 'replayed', 'ip_not_allowed',
                      'permission', 'inactive', 'wrong_session_type', 'too_many_failures')),
    day           date NOT NULL,
    count         bigint NOT NULL,
    last_at       timestamptz NOT NULL,
    last_ip       inet NOT NULL,
    PRIMARY KEY (credential_id, outcome, day)
);
CREATE INDEX credential_activity_by_day ON credential_activity (day);

ALTER TABLE key_holders DROP CONSTRAINT key_holders_kind_check,
    ADD CONSTRAINT key_holders_kind_check CHECK (kind IN ('api', 'worker', 'verifier'));

-- A verifier reads what it verifies by, and writes nothing that anybody's rights hang on -----------------------------
DO $$
BEGIN
    CREATE ROLE countersign_verifier NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$;
GRANT USAGE ON SCHEMA public TO countersign_verifier;
GRANT SELECT (id, account_id, kind, name, public_id, session_type, permissions, ip_whitelist, status, version,
    funds_from, secret_sealed, password_mac, mac_key_id) ON credentials TO countersign_verifier;
GRANT SELECT (id, prime_liquidity) ON accounts TO countersign_verifier;
GRANT SELECT ON key_checks TO countersign_verifier;
GRANT SELECT, INSERT, UPDATE, DELETE ON key_holders TO countersign_verifier;
GRANT SELECT, INSERT, DELETE ON used_signatures TO countersign_verifier, countersign_app;
GRANT SELECT, INSERT, UPDATE ON credential_activity TO countersign_verifier, countersign_app;
GRANT DELETE ON credential_activity TO countersign_app;
