-- contract: since r0001: no code has ever deleted from these tables; from now on the functions below do, and decide.
-- What the application may remove is what is over and old. The functions belong to the owner of the schema; nobody can
-- have them remove what is open, or younger than what stands here, whatever the settings say.
REVOKE DELETE ON accounts, users, credentials, requests, idempotency_keys, challenges, code_sends, message_verdicts,
    used_statements, notices FROM countersign_app;

-- What is removed is found by its age, and what refers to it by what it refers to ---------------------------------
CREATE INDEX requests_closed ON requests (closed_at) WHERE outcome IS NOT NULL;
CREATE INDEX idempotency_keys_of_request ON idempotency_keys (request_id);
CREATE INDEX used_statements_of_request ON used_statements (request_id);
CREATE INDEX notices_done ON notices (coalesce(sent_at, failed_at)) WHERE sent_at IS NOT NULL OR failed_at IS NOT NULL;
CREATE INDEX notices_of_stop ON notices (stop_id) WHERE stop_id IS NOT NULL;
CREATE INDEX stops_expired ON stops (expires_at);
CREATE INDEX recovery_codes_used ON recovery_codes (used_at) WHERE used_at IS NOT NULL;

-- What ops ask of a send: when the provider took it or refused, under which id it knows it, at which try ------------
ALTER TABLE code_sends
    ADD COLUMN settled_at timestamptz,
    ADD COLUMN provider_id text,
    ADD COLUMN tries integer;
ALTER TABLE notices ADD COLUMN provider_id text;
CREATE INDEX notices_of_account ON notices (account_id, created_at DESC);

CREATE FUNCTION require_age(before timestamptz, age interval) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF before IS NULL OR before > now() - age THEN
        RAISE EXCEPTION 'what is younger than % is kept', age USING ERRCODE = 'insufficient_privilege';
    END IF;
END $$;

-- Requests that ended before a moment, with all that belongs to them: whole, or not at all.
CREATE FUNCTION remove_requests(before timestamptz, at_most integer) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    gone uuid[];
    requests bigint; challenges bigint; sends bigint; verdicts bigint; statements bigint; keys bigint;
BEGIN
    PERFORM public.require_age(before, interval '30 days');
    -- As an array: a join with what a limit lets through would be planned as one with a tenth of the table.
    SELECT array_agg(id) INTO gone FROM (
        SELECT r.id FROM public.requests r WHERE r.outcome IS NOT NULL AND r.closed_at < before
        ORDER BY r.closed_at LIMIT at_most FOR UPDATE SKIP LOCKED) AS old;
    DELETE FROM public.idempotency_keys WHERE request_id = ANY (gone);
    GET DIAGNOSTICS keys = ROW_COUNT;
    DELETE FROM public.used_statements WHERE request_id = ANY (gone);
    GET DIAGNOSTICS statements = ROW_COUNT;
    DELETE FROM public.message_verdicts WHERE request_id = ANY (gone);
    GET DIAGNOSTICS verdicts = ROW_COUNT;
    DELETE FROM public.code_sends
    WHERE challenge_id IN (SELECT c.id FROM public.challenges c WHERE c.request_id = ANY (gone));
    GET DIAGNOSTICS sends = ROW_COUNT;
    DELETE FROM public.challenges WHERE request_id = ANY (gone);
    GET DIAGNOSTICS challenges = ROW_COUNT;
    DELETE FROM public.requests WHERE id = ANY (gone);
    GET DIAGNOSTICS requests = ROW_COUNT;
    RETURN jsonb_build_object('requests', requests, 'challenges', challenges, 'code_sends', sends,
        'message_verdicts', verdicts, 'used_statements', statements, 'idempotency_keys', keys);
END $$;

-- Notices that went out, or never will, before a moment; what waits stays.
CREATE FUNCTION remove_notices(before timestamptz, at_most integer) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    removed bigint;
BEGIN
    PERFORM public.require_age(before, interval '7 days');
    DELETE FROM public.notices WHERE id = ANY (ARRAY(
        SELECT n.id FROM public.notices n
        WHERE (n.sent_at IS NOT NULL OR n.failed_at IS NOT NULL) AND coalesce(n.sent_at, n.failed_at) < before
        ORDER BY coalesce(n.sent_at, n.failed_at) LIMIT at_most FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END $$;

-- Links that ran out before a moment, unless the mail that carries one is still there: it may not have gone out yet.
CREATE FUNCTION remove_stops(before timestamptz, at_most integer) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    removed bigint;
BEGIN
    PERFORM public.require_age(before, interval '7 days');
    DELETE FROM public.stops WHERE id = ANY (ARRAY(
        SELECT s.id FROM public.stops s WHERE s.expires_at < before
        AND NOT EXISTS (SELECT FROM public.notices n WHERE n.stop_id = s.id)
        ORDER BY s.expires_at LIMIT at_most FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END $$;

-- Days before a day: the present one is what the cap is held against.
CREATE FUNCTION remove_sms_days(before timestamptz, at_most integer) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    removed bigint;
BEGIN
    PERFORM public.require_age(before, interval '30 days');
    DELETE FROM public.sms_days WHERE day = ANY (ARRAY(
        SELECT d.day FROM public.sms_days d WHERE d.day < before::date ORDER BY d.day LIMIT at_most));
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END $$;

REVOKE ALL ON FUNCTION require_age(timestamptz, interval), remove_requests(timestamptz, integer),
    remove_notices(timestamptz, integer), remove_stops(timestamptz, integer), remove_sms_days(timestamptz, integer)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION remove_requests(timestamptz, integer), remove_notices(timestamptz, integer),
    remove_stops(timestamptz, integer), remove_sms_days(timestamptz, integer) TO countersign_app;
