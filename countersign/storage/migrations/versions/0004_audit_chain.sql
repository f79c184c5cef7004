-- contract: since r0004: the code of before it reads on, and has no effects until it is replaced (decision 0013).
-- What is recorded for good refuses to change, whatever its name --------------------------------------------------
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

-- The head of each account's chain, beside its number. Events from before this migration have no MAC ---------------
ALTER TABLE accounts ADD COLUMN audit_mac bytea CHECK (length(audit_mac) = 32);

-- Audit events by month: what was there becomes the first partition, without a row being moved --------------------
ALTER TABLE audit_events RENAME TO audit_events_before;
ALTER TABLE audit_events_before DROP CONSTRAINT audit_events_pkey;
ALTER TABLE audit_events_before ALTER COLUMN at DROP DEFAULT, ADD COLUMN key_id text, ADD COLUMN mac bytea;
ALTER INDEX audit_events_of_credential RENAME TO audit_events_before_of_credential;
ALTER TRIGGER audit_events_append_only ON audit_events_before RENAME TO append_only;

CREATE TABLE audit_events (
    account_id    uuid NOT NULL REFERENCES accounts,
    number        bigint NOT NULL,
    event         text NOT NULL,
    at            timestamptz NOT NULL,
    actor_kind    text NOT NULL,
    actor_id      uuid,
    ip            inet,
    request_id    uuid,
    credential_id uuid,
    details       jsonb NOT NULL DEFAULT '{}',
    key_id        text,
    mac           bytea,
    PRIMARY KEY (account_id, number, at)
) PARTITION BY RANGE (at);
CREATE INDEX audit_events_of_credential ON audit_events (account_id, credential_id, number DESC);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON audit_events TO countersign_app;

-- A partition refuses changes by itself: the trigger above sees only statements that name the parent. The application
-- has no right on partitions; what it inserts goes through the parent.
CREATE FUNCTION attach_audit_partition(name text, bounds text) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    EXECUTE format('CREATE TABLE public.%I (LIKE public.audit_events INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
    EXECUTE format('ALTER TABLE public.%I ADD CONSTRAINT chained CHECK (mac IS NOT NULL AND key_id IS NOT NULL)', name);
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON public.%I
                    FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change()', name);
    -- Created apart and then attached: that takes a lock which lets events be inserted meanwhile.
    EXECUTE format('ALTER TABLE public.audit_events ATTACH PARTITION public.%I %s', name, bounds);
END $$;
REVOKE ALL ON FUNCTION attach_audit_partition(text, text) FROM PUBLIC;

-- The months from now on that an event may fall into; the application calls this, and can choose nothing.
CREATE FUNCTION make_audit_partitions() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' SET lock_timeout = '500ms' AS $$
DECLARE
    made integer := 0;
    month timestamptz;
    name text;
BEGIN
    FOR ahead IN 0..3 LOOP
        month := date_trunc('month', now()) + make_interval(months => ahead);
        name := 'audit_events_' || to_char(month, 'YYYY_MM');
        CONTINUE WHEN to_regclass('public.' || name) IS NOT NULL;
        BEGIN
            PERFORM public.attach_audit_partition(
                name, format('FOR VALUES FROM (%L) TO (%L)', month, month + interval '1 month'));
            made := made + 1;
        EXCEPTION WHEN check_violation THEN
            -- Events of that month are in the default partition already, and stay there.
            NULL;
        END;
    END LOOP;
    RETURN made;
END $$;
REVOKE ALL ON FUNCTION make_audit_partitions() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_audit_partitions() TO countersign_app;

DO $$
DECLARE
    cut timestamptz := greatest(now(), (SELECT max(at) + interval '1 microsecond' FROM audit_events_before));
    next_month timestamptz := date_trunc('month', cut, 'UTC') + interval '1 month';
BEGIN
    EXECUTE format('ALTER TABLE audit_events ATTACH PARTITION audit_events_before FOR VALUES FROM (MINVALUE) TO (%L)',
                   cut);
    -- Refuses what is not chained from now on; what is there already is left as it is.
    ALTER TABLE audit_events_before
        ADD CONSTRAINT chained CHECK (mac IS NOT NULL AND key_id IS NOT NULL) NOT VALID;
    PERFORM attach_audit_partition('audit_events_' || to_char(cut AT TIME ZONE 'UTC', 'YYYY_MM'),
                                   format('FOR VALUES FROM (%L) TO (%L)', cut, next_month));
    -- Whatever else fails, an event is recorded.
    PERFORM attach_audit_partition('audit_events_default', 'DEFAULT');
    PERFORM make_audit_partitions();
END $$;
REVOKE ALL ON audit_events_before FROM countersign_app;

-- Checkpoints: signed documents over the heads of chains ----------------------------------------------------------
CREATE TABLE audit_checkpoints (
    number     bigint PRIMARY KEY,
    document   text NOT NULL,
    signature  bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON audit_checkpoints TO countersign_app;

-- Which event of an account the newest checkpoint over it holds: says only what is to be done, proves nothing.
CREATE TABLE audit_checkpointed (
    account_id uuid PRIMARY KEY REFERENCES accounts,
    number     bigint NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON audit_checkpointed TO countersign_app;
