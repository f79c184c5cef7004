"""No query on a hot path reads a whole table."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

import pytest

from countersign.domain.credentials import CredentialKind
from countersign.local.postgres import EmbeddedPostgres
from countersign.storage import (
    accounts,
    challenges,
    credentials,
    figures,
    ledger,
    managing,
    notices,
    oversight,
    recovery_codes,
    requests,
    sms_days,
    verdicts,
)
from countersign.storage.database import Connection, Database
from countersign.storage.oversight import Narrowing
from tests.support.databases import OwnDatabase

ID, NOW = UUID(int=1), datetime(2026, 1, 1, tzinfo=UTC)
Query = Callable[[Any], Awaitable[object]]

HOT: dict[str, Query] = {
    "the queue": lambda c: requests.waiting_for_manager(c, ID, limit=9),
    "a request": lambda c: requests.get(c, ID),
    "the accounts that a message locks": lambda c: accounts.lock_of_request(c, ID),
    "a person's recovery codes": lambda c: recovery_codes.unused(c, ID),
    "the open request of a credential": lambda c: requests.open_of_credential(c, ID),
    "the open creation of a name": lambda c: requests.open_of_name(c, account_id=ID, name_key="x"),
    "the open requests of a user": lambda c: requests.open_of_user(c, account_id=ID, user_id=ID),
    "an account's requests": lambda c: requests.of_account(c, ID, only_open=False, limit=9),
    "an account's open requests": lambda c: requests.of_account(c, ID, only_open=True, limit=9),
    "unstarted requests": lambda c: requests.claim_unstarted(c, older_than=NOW, limit=9),
    "requests to nudge": lambda c: requests.claim_nudges(c, limit=9),
    "stuck sends": lambda c: requests.claim_stuck_sends(c, older_than=NOW, limit=9),
    "requests about to send": lambda c: requests.count_starting_with_sms(c, ID),
    "shown secrets": lambda c: requests.erase_revealed(c, before=NOW),
    "due notices": lambda c: notices.claim_due(c, limit=9),
    "a credential": lambda c: credentials.get(c, account_id=ID, credential_id=ID),
    "an account's credentials": lambda c: credentials.of_account(c, account_id=ID, kind=CredentialKind.FIX),
    "a Session Name": lambda c: credentials.by_session_name(c, "x"),
    "a name": lambda c: credentials.name_exists(c, account_id=ID, name_key="x"),
    "the windows of a challenge": lambda c: challenges.windows(c, ID),
    "requests of the hour": lambda c: requests.nth_newest(c, ID, since=NOW, n=9),
    "an account's SMS of the day": lambda c: sms_days.nth_newest_of_account(c, ID, since=NOW, n=9),
    "the day's SMS": lambda c: sms_days.made(c, NOW.date()),
    "codes of the hour": lambda c: challenges.nth_newest_send(c, ID, since=NOW, n=9),
    "wrong codes of the hour": lambda c: verdicts.nth_newest_wrong(c, ID, since=NOW, n=9),
    "the verdict on a message": lambda c: verdicts.find(c, request_id=ID, key="x"),
    "an idempotency key": lambda c: ledger.find_idempotency(c, account_id=ID, user_id=ID, route="x", key="x"),
    "audit events": lambda c: ledger.events(c, ID, before=9, limit=9),
    "the accounts of a user": lambda c: oversight.accounts_concerning(c, ID),
    "the newest requests": lambda c: oversight.search(c, Narrowing(), at=NOW, limit=9),
    "older requests": lambda c: oversight.search(c, Narrowing(before=(NOW, ID)), at=NOW, limit=9),
    "requests by an id": lambda c: oversight.search(c, Narrowing(id=ID), at=NOW, limit=9),
    "requests by how a name begins": lambda c: oversight.search(c, Narrowing(text="x"), at=NOW, limit=9),
    "what waits for a manager": lambda c: managing.waiting(c, ID, limit=9),
    "FIX credentials by a part of their name": lambda c: managing.find(c, ID, part="X", limit=9),
    "the account managers of an account": lambda c: accounts.managers(c, ID),
    "open requests by step": figures.open_requests,
    "what waits": figures.waits,
}


class Listener:
    """Stands where a connection would, and keeps the query."""

    rowcount = 0

    def __init__(self) -> None:
        self.query: Any = None
        self.values: Any = None

    def cursor(self, **_options: object) -> "Listener":
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        pass

    async def execute(self, query: Any, values: Any = None) -> "Listener":
        self.query, self.values = query, values
        return self

    async def fetchall(self) -> list[object]:
        return []

    async def fetchone(self) -> tuple[int]:
        return (0,)


@pytest.fixture(scope="module")
async def database(postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    opened = Database(OwnDatabase.make_migrated(postgres).owner_url, pool_size=1)
    await opened.open()
    async with opened.connection() as connection:
        await connection.execute(CROWD)
        await connection.execute("ANALYZE")
    yield opened
    await opened.close()


async def plan(connection: Connection, listener: Listener) -> dict[str, Any]:
    # Small tables the planner would rather read whole, even where an index is there.
    await connection.execute("SET enable_seqscan = off")
    cursor = await connection.execute(f"EXPLAIN (FORMAT JSON) {listener.query}".encode(), listener.values)
    row = await cursor.fetchone()
    assert row
    return dict(row[0][0]["Plan"])


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", []):
        yield from nodes(below)


@pytest.mark.parametrize("name", HOT)
async def test_it_is_found_by_an_index(database: Database, name: str) -> None:
    listener = Listener()
    await HOT[name](listener)
    async with database.connection() as connection:
        found = await plan(connection, listener)

    read_whole = [node["Relation Name"] for node in nodes(found) if node["Node Type"] == "Seq Scan"]
    indexes_read_whole = {node["Index Name"] for node in nodes(found) if _reads_a_whole_index(node)}
    assert read_whole == []
    assert indexes_read_whole <= OF_WHAT_WAITS, json.dumps(found, indent=1)


def _reads_a_whole_index(node: dict[str, Any]) -> bool:
    return node.get("Relation Name") in CROWDED and "Index Name" in node and "Index Cond" not in node


async def test_a_query_without_an_index_would_be_noticed(database: Database) -> None:
    listener = Listener()
    await listener.execute("SELECT * FROM requests WHERE reason = %s", ("x",))
    async with database.connection() as connection:
        found = await plan(connection, listener)

    assert [node["Node Type"] for node in nodes(found)] == ["Seq Scan"]


CROWDED = {"accounts", "credentials", "requests"}
CROWD = """
WITH a AS (INSERT INTO accounts (id, name, prime_liquidity)
           SELECT gen_random_uuid(), 'a', true FROM generate_series(1, 2000) RETURNING id),
     u AS (INSERT INTO users (id, name, email, two_factor_method)
           VALUES (gen_random_uuid(), 'u', 'u@example.com', 'none') RETURNING id),
     c AS (INSERT INTO credentials (id, account_id, kind, name, name_key, public_id, session_type, status, password_mac,
                                    secret_sealed, created_by)
           SELECT gen_random_uuid(), a.id, kind, a.id::text, a.id::text, kind || a.id, session_type, 'active', mac,
                  sealed, u.id
           FROM a, u, (VALUES ('fix', 'trade', 'm'::bytea, null::bytea), ('api_key', null, null, 's')) AS k
                      (kind, session_type, mac, sealed))
INSERT INTO requests (id, account_id, user_id, credential_id, credential_version, journey, step, outcome, name,
                      name_key, two_factor_method)
SELECT gen_random_uuid(), a.id, u.id, gen_random_uuid(), 1, 'create-api-key', 'closed', 'activated', 'x', 'x', 'none'
FROM a, u
"""

# Indexes over nothing but what waits: small however large the table grows, so that reading them whole is right.
OF_WHAT_WAITS = {
    "requests_to_nudge", "requests_open_at_step", "requests_revealed", "requests_one_open_per_credential",
    "requests_open_of_user", "requests_reserved_name",
}  # fmt: skip
