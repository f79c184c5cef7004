-- A large house, set by set; tests/support/crowd.py tells how many of each. Ids follow from numbers.
CREATE FUNCTION pg_temp.id(kind text, n bigint) RETURNS uuid IMMUTABLE RETURN md5(kind || n)::uuid;

CREATE FUNCTION pg_temp.session_name(n bigint) RETURNS text IMMUTABLE RETURN
    'CS-T-' || regexp_replace(lpad(n::text, 12, '0'), '(.{4})(.{4})', '\1-\2-');

CREATE FUNCTION pg_temp.many(what text) RETURNS int IMMUTABLE RETURN current_setting('crowd.' || what)::int;

-- Whose request n is: those that wait for the first manager go to his accounts, one after another. The first account is
-- a busy one.
CREATE FUNCTION pg_temp.whose(n bigint) RETURNS bigint IMMUTABLE RETURN
    CASE WHEN n <= pg_temp.many('waiting') THEN 1 + n % pg_temp.many('looked_after')
         WHEN n <= pg_temp.many('fix')
             THEN 1 + pg_temp.many('looked_after') + n % (pg_temp.many('accounts') - pg_temp.many('looked_after'))
         WHEN n % 20 = 0 THEN 1
         ELSE 1 + n % pg_temp.many('accounts') END;

CREATE FUNCTION pg_temp.account(n bigint) RETURNS uuid IMMUTABLE RETURN pg_temp.id('account', pg_temp.whose(n));
CREATE FUNCTION pg_temp.owner(n bigint) RETURNS uuid IMMUTABLE RETURN pg_temp.id('user', pg_temp.whose(n));

-- People
INSERT INTO accounts (id, name, prime_liquidity, audit_number, audit_mac)
SELECT pg_temp.id('account', n), 'Account ' || n, true, 0, sha256('x')
FROM generate_series(1, pg_temp.many('accounts')) n;
INSERT INTO users (id, name, email, phone, two_factor_method, staff_role)
SELECT pg_temp.id('user', n), 'Owner ' || n, 'owner' || n || '@example.com', '+447700900123', 'sms', NULL
FROM generate_series(1, pg_temp.many('accounts')) n
UNION ALL
SELECT pg_temp.id('manager', n), 'Manager ' || n, 'manager' || n || '@example.com', NULL, 'none', 'account_manager'
FROM generate_series(1, 20) n;
INSERT INTO memberships (account_id, user_id, role)
SELECT pg_temp.id('account', n), pg_temp.id('user', n), 'owner' FROM generate_series(1, pg_temp.many('accounts')) n;
INSERT INTO account_manager_assignments (account_id, user_id)
SELECT pg_temp.id('account', n),
       pg_temp.id('manager', CASE WHEN n <= pg_temp.many('looked_after') THEN 1 ELSE 2 + n % 19 END)
FROM generate_series(1, pg_temp.many('accounts')) n;
INSERT INTO sessions (token_hash, user_id, account_id, created_at, seen_at, expires_at)
SELECT sha256(n::text::bytea), pg_temp.id('user', 1 + n % pg_temp.many('accounts')),
       pg_temp.id('account', 1 + n % pg_temp.many('accounts')),
       now() - n * interval '1 second', now(), now() + interval '12 hours' - n * interval '1 second'
FROM generate_series(1, 20000) n;
INSERT INTO sessions (token_hash, user_id, created_at, seen_at, expires_at)
SELECT sha256(('manager' || n)::bytea), pg_temp.id('manager', n), now(), now(), now() + interval '12 hours'
FROM generate_series(1, 20) n;
INSERT INTO recovery_codes (user_id, code_mac, key_id)
SELECT pg_temp.id('user', n), sha256((n || '/' || code)::bytea), 'k'
FROM generate_series(1, pg_temp.many('accounts'), 4) n, generate_series(1, 10) code;

-- FIX credentials that wait, numbered as their requests are, then the API keys that ended requests were about
INSERT INTO credentials (id, account_id, kind, name, name_key, public_id, session_type, permissions, status,
                         password_mac, mac_key_id, created_by, created_at)
SELECT pg_temp.id('credential', n), pg_temp.account(n), 'fix', pg_temp.session_name(n),
       lower(pg_temp.session_name(n)), 'fix' || n, 'trade', '{}', 'awaiting_activation', 'm', 'k',
       pg_temp.owner(n), now() - n * interval '1 minute'
FROM generate_series(1, pg_temp.many('fix')) n;
INSERT INTO credentials (id, account_id, kind, name, name_key, public_id, permissions, ip_whitelist, status,
                         secret_sealed, created_by, created_at)
SELECT pg_temp.id('credential', n), pg_temp.account(n), 'api_key', 'Key ' || n, 'key ' || n, 'key' || n,
       '{read,trade}', '{203.0.113.7}', CASE WHEN n % 3 = 0 THEN 'active' ELSE 'discarded' END,
       CASE WHEN n % 3 = 0 THEN '\x01016b00'::bytea END, pg_temp.owner(n), now() - n * interval '1 minute'
FROM generate_series(pg_temp.many('open') + 1, pg_temp.many('requests'), 4) n
WHERE pg_temp.whose(n) > 1;
INSERT INTO credentials (id, account_id, kind, name, name_key, public_id, permissions, ip_whitelist, status,
                         secret_sealed, created_by, created_at)
SELECT pg_temp.id('first key', n), pg_temp.id('account', 1), 'api_key', 'Key ' || n, 'key ' || n, 'first' || n,
       '{read,trade}', '{203.0.113.7}', 'active', '\x01016b00', pg_temp.id('user', 1),
       now() - n * interval '1 minute'
FROM generate_series(1, pg_temp.many('keys_of_first')) n;

-- What came of the calls made with the active ones, a quarter of a year of it
INSERT INTO credential_activity (credential_id, outcome, day, count, last_at, last_ip)
SELECT c.id, outcome, current_date - back, 1, now(), '203.0.113.7'
FROM credentials c, unnest('{allowed,clock}'::text[]) outcome, generate_series(0, 89, 10) back WHERE c.status = 'active';
INSERT INTO used_signatures (minute, digest) SELECT n / 100, sha256(n::text::bytea) FROM generate_series(1, 20000) n;

-- Requests
INSERT INTO requests (id, account_id, user_id, credential_id, credential_version, journey, step, outcome, name,
                      name_key, session_type, two_factor_method, asked_at, deadline, created_at, changed_at, closed_at)
SELECT pg_temp.id('request', n), pg_temp.account(n), pg_temp.owner(n), pg_temp.id('credential', n), 1,
       CASE WHEN n <= pg_temp.many('fix') THEN 'create-fix-credentials' ELSE 'create-api-key' END,
       CASE WHEN n <= pg_temp.many('fix') THEN 'account_manager' WHEN n > pg_temp.many('open') THEN 'closed'
            WHEN n % 100 = 0 THEN 'starting' WHEN n % 2 = 0 THEN 'two_factor_code' ELSE 'activation_code' END,
       CASE WHEN n > pg_temp.many('open') THEN 'activated' END,
       CASE WHEN n <= pg_temp.many('fix') THEN pg_temp.session_name(n) ELSE 'Key ' || n END,
       CASE WHEN n <= pg_temp.many('fix') THEN lower(pg_temp.session_name(n)) ELSE 'key ' || n END,
       CASE WHEN n <= pg_temp.many('fix') THEN 'trade' END, 'sms',
       CASE WHEN n <= pg_temp.many('fix') THEN now() - n * interval '1 minute' END,
       CASE WHEN n BETWEEN pg_temp.many('fix') + 1 AND pg_temp.many('open')
            THEN now() + interval '1 day' END,
       now() - n * interval '1 minute', now() - n * interval '1 minute',
       CASE WHEN n > pg_temp.many('open') THEN now() - n * interval '1 minute' END
FROM generate_series(1, pg_temp.many('requests')) n;
UPDATE requests SET nudge = true WHERE id IN (SELECT pg_temp.id('request', n) FROM generate_series(1, 20) n);
UPDATE requests SET reveal_sealed = '\x01016b00', revealed_at = now(), decisions_refused = 1
WHERE id IN (SELECT pg_temp.id('request', n) FROM generate_series(21, 40) n);
INSERT INTO challenges (id, request_id, account_id, step, channel, key_id, solved_at, created_at)
SELECT pg_temp.id('challenge', n), pg_temp.id('request', n), pg_temp.account(n),
       CASE WHEN n > pg_temp.many('fix') AND n <= pg_temp.many('open') AND n % 2 = 1 THEN 'activation_code'
            ELSE 'two_factor_code' END, 'sms', 'k', CASE WHEN n > pg_temp.many('open') THEN now() END,
       now() - n * interval '1 minute'
FROM generate_series(1, pg_temp.many('requests')) n;
INSERT INTO code_sends (challenge_id, number, account_id, channel, opened_at, expires_at, delivery, created_at)
SELECT pg_temp.id('challenge', n), 1, pg_temp.account(n), 'sms', now() - n * interval '1 minute',
       now() - (n - 5) * interval '1 minute', CASE WHEN n % 1000 = 1 THEN 'sending' ELSE 'sent' END,
       now() - n * interval '1 minute'
FROM generate_series(1, pg_temp.many('requests')) n;
INSERT INTO message_verdicts (request_id, message_key, account_id, kind, problem, at)
SELECT pg_temp.id('request', n), 'key' || n, pg_temp.account(n), 'two_factor_code',
       CASE WHEN n % 5 = 0 THEN 'wrong-code' END, now() - n * interval '1 minute'
FROM generate_series(1, pg_temp.many('requests')) n;
INSERT INTO idempotency_keys (account_id, user_id, route, key, body_hash, request_id)
SELECT pg_temp.account(n), pg_temp.owner(n), '/v1/api-keys', 'key' || n, 'h', pg_temp.id('request', n)
FROM generate_series(1, pg_temp.many('requests'), 4) n;

-- What they leave behind
INSERT INTO notices (id, account_id, request_id, user_id, event, context, due_at, sent_at, created_at)
SELECT pg_temp.id('notice', n), pg_temp.account(n), pg_temp.id('request', n), pg_temp.owner(n), 'credential_created',
       '{}',
       now() - n * interval '1 minute' + CASE WHEN n <= pg_temp.many('unsent') / 4 THEN interval '9 days' ELSE '0' END,
       CASE WHEN n > pg_temp.many('unsent') THEN now() END, now() - n * interval '1 minute'
FROM generate_series(1, pg_temp.many('requests')) n;
INSERT INTO audit_events (account_id, number, event, at, actor_kind, actor_id, request_id, credential_id, key_id, mac)
SELECT pg_temp.account(n), n * 2 + twice, 'request-opened', now() - n * interval '1 minute', 'user',
       pg_temp.owner(n), pg_temp.id('request', n), pg_temp.id('credential', n), 'k', sha256('x')
FROM generate_series(1, pg_temp.many('requests')) n, generate_series(0, 1) twice;
UPDATE accounts SET audit_number = 2 * pg_temp.many('requests') + 1;
INSERT INTO used_statements (id, request_id)
SELECT 'statement' || n, pg_temp.id('request', n) FROM generate_series(1, pg_temp.many('requests'), 10) n;
INSERT INTO stops (id, account_id, user_id, kind, request_id, credential_id, from_version, key_id, expires_at)
SELECT pg_temp.id('stop', n), pg_temp.account(n), pg_temp.owner(n), 'credential', pg_temp.id('request', n),
       pg_temp.id('credential', n), 1, 'k', now()
FROM generate_series(1, pg_temp.many('requests'), 10) n;
