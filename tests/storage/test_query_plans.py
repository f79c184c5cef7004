"""Every query finds its rows by an index, in a house with thousands of requests, however it was prepared.

Each function of the storage is called, and whatever it asked is explained twice: with the values at hand, and for any
values, as the server may do once a statement was prepared.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import TupleRow, tuple_row

from countersign.local.postgres import EmbeddedPostgres
from countersign.storage import (
    checkpoints,
    figures,
    halting,
    key_uses,
    looking_up,
    managing,
    oversight,
    requests,
    retention,
    sealed_values,
    used_signatures,
)
from countersign.storage.database import Connection
from tests.storage.calls import Function, calls_of, functions
from tests.support.crowd import Crowd, identity
from tests.support.databases import OwnDatabase

FUNCTIONS = list(functions())
LARGE = (
    "audit_events_before", "challenges", "code_sends", "credential_activity", "credentials", "idempotency_keys",
    "message_verdicts", "notices", "requests", "sessions", "stops", "used_signatures", "used_statements",
)  # fmt: skip
# Some thousands of rows, or none as in a month to come: the server may rather read them whole than look up two hundred.
# Here it must be able to look them up.
LESS_LARGE = ("accounts", "audit_events", "memberships", "recovery_codes", "users")
# More than this is not sorted to answer one question.
FEW = 5_000

# What must look at all there is, or walks along an index until it has enough, and why that is right.
IN_ORDER = "walks along the index in its order, and ends as soon as the page is full"
OF_FEW = "all that the index holds is wanted, and that is little however much has ended"
FIGURE = "a figure about all that is open, asked for once in a scrape"
KEEPING = "key rotation: in an operator's hand, in parts, and never on anybody's way"
WHOLE: dict[Function, tuple[set[str], str]] = {
    checkpoints.changed_heads: ({"accounts", "accounts_pkey"}, "once a minute, all accounts against what is signed"),
    figures.decisions_refused: ({"requests_with_refused_decisions"}, OF_FEW),
    figures.open_requests: ({"requests", "requests_open_of_user", "requests_open_of_account"}, FIGURE),
    figures.waiting_longer: ({"requests_waiting"}, FIGURE),
    figures.waits: ({"notices_waiting", "notices_due", "requests_waiting"}, FIGURE),
    halting.of_everything: (
        {"credentials", "requests_open_of_account", "requests"},
        "counted once, before all of it is stopped",
    ),
    key_uses.every: ({*LARGE, *LESS_LARGE, "requests_revealed", "requests_open_of_account"}, KEEPING),
    looking_up.accounts_called: ({"accounts"}, "by its name, in an operator's hand"),
    looking_up.mails_waiting: ({"notices_waiting", "notices_due"}, OF_FEW),
    looking_up.people: ({"users"}, "any part of a name may be looked for, in an operator's hand"),
    managing.find: ({"credentials_session_name"}, "any part of a name may be looked for, among FIX credentials alone"),
    managing.queue: ({"requests_waiting"}, IN_ORDER),
    managing.waiting: ({"requests_waiting"}, IN_ORDER),
    oversight.every_account: ({"accounts", "sort"}, "the list of all accounts, which the command prints"),
    oversight.search: ({"accounts", "requests_newest"}, f"{IN_ORDER}; any part of an account's name may be looked for"),
    requests.claim_nudges: ({"requests_to_nudge"}, OF_FEW),
    requests.every: ({"requests_newest", "requests", "sort"}, "comparing all that is open with Temporal"),
    retention.archivable_until: ({"accounts", "accounts_pkey"}, "once a day, all accounts against what is signed"),
    retention.count_old: ({"notices_of_stop"}, "in an operator's hand: before housekeeping is done by hand"),
    used_signatures.forget: ({"used_signatures"}, "what is too old is nearly all that there is, and that is little"),
    sealed_values.reveals_under_others: ({"requests_revealed"}, KEEPING),
    sealed_values.secrets_under_others: ({"credentials"}, KEEPING),
    sealed_values.seeds_under_others: ({"users"}, KEEPING),
}


def _name(function: Function) -> str:
    return f"{function.__module__.rpartition('.')[2]}.{function.__name__}"


@dataclass(frozen=True)
class Plan:
    """How the server finds what a statement asks for; ``is_free`` when it may read a table whole if it likes."""

    statement: str
    tree: dict[str, Any]
    is_free: bool

    def faults(self) -> Iterator[str]:
        """Yield what in the plan grows with the whole house: tables and indexes read whole, and ``sort``."""
        for node in nodes(self.tree):
            kind, table, index = node["Node Type"], node.get("Relation Name", ""), node.get("Index Name", "")
            if kind == "Seq Scan" and table.startswith(LARGE if self.is_free else LESS_LARGE):
                yield table
            if index.startswith(LARGE) and "Index Cond" not in node and self.is_free:
                yield index
            if kind == "Sort" and node["Plan Rows"] > FEW and self.is_free:
                yield "sort"


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", []):
        yield from nodes(below)


@pytest.fixture(scope="module")
async def connection(postgres: EmbeddedPostgres) -> AsyncIterator[Connection]:
    database = OwnDatabase.make_migrated(postgres)
    Crowd().fill(database.superuser_url)
    opened = await psycopg.AsyncConnection[TupleRow].connect(
        database.owner_url, autocommit=True, prepare_threshold=0, row_factory=tuple_row
    )
    async with opened:
        yield opened


@pytest.mark.parametrize("function", FUNCTIONS, ids=_name)
async def test_it_finds_its_rows_by_an_index(connection: Connection, function: Function) -> None:
    plans = [plan for values in calls_of(function) for plan in await plans_of(connection, function, values)]

    allowed, _ = WHOLE.get(function, (set[str](), ""))
    faults = [(fault, plan.statement, plan.tree) for plan in plans for fault in plan.faults()]
    assert plans
    assert [each for each in faults if not each[0].startswith(tuple(allowed))] == []


async def test_a_query_without_an_index_would_be_noticed(connection: Connection) -> None:
    async def by_reason(connection: Connection) -> None:
        await connection.execute("SELECT * FROM requests WHERE reason = %s", ("x",))

    async def by_phone(connection: Connection) -> None:
        await connection.execute("SELECT * FROM users WHERE phone = %s", ("x",))

    async def in_another_order(connection: Connection) -> None:
        await connection.execute("SELECT * FROM requests ORDER BY name LIMIT %s", (1,))

    found = [
        {fault for plan in await plans_of(connection, function, {}) for fault in plan.faults()}
        for function in (by_reason, by_phone, in_another_order)
    ]
    assert found == [{"requests"}, {"users"}, {"requests", "sort"}]


async def test_an_open_end_in_a_prepared_statement_would_be_noticed(connection: Connection) -> None:
    async def either(connection: Connection) -> None:
        query = "SELECT * FROM requests WHERE %s::uuid IS NULL OR account_id = %s"
        await connection.execute(query, (identity("account", 1), identity("account", 1)))

    plans = await plans_of(connection, either, {})
    assert [set(plan.faults()) for plan in plans if plan.is_free] == [set(), {"requests"}]


async def plans_of(connection: Connection, function: Function, values: dict[str, Any]) -> list[Plan]:
    """Call the function, undo what it did, and return the plans of all that it asked."""
    try:
        async with connection.transaction(force_rollback=True):
            asked = await _listen(connection, function, values)
            plans = [plan for text, given in asked for plan in await _explain(connection, text, given)]
            await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            for name, count in await _prepared(connection):
                any_values = f"({', '.join(['NULL'] * count)})" if count else ""
                plans += await _explain(connection, f'EXECUTE "{name}"{any_values}', None)
    finally:
        await connection.execute("DEALLOCATE ALL")
    return plans


async def _listen(connection: Connection, function: Function, values: dict[str, Any]) -> list[tuple[str, Any]]:
    asked: list[tuple[str, Any]] = []

    class Listening(psycopg.AsyncCursor[Any]):
        async def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
            asked.append((_text(query), params))
            return await super().execute(query, params, **options)

    connection.cursor_factory = Listening
    try:
        await function(connection, **values)
    finally:
        connection.cursor_factory = psycopg.AsyncCursor
    return asked


def _text(query: Any) -> str:
    if isinstance(query, sql.Composable):
        return query.as_string(None)
    return query.decode() if isinstance(query, bytes) else query


async def _prepared(connection: Connection) -> list[tuple[str, int]]:
    query = """SELECT name, cardinality(parameter_types) FROM pg_prepared_statements
               WHERE statement ~* '^\\s*(SELECT|INSERT|UPDATE|DELETE|WITH)'"""
    return await (await connection.execute(query, prepare=False)).fetchall()


async def _explain(connection: Connection, text: str, values: Any) -> list[Plan]:
    plans = []
    for is_free in (True, False):
        await connection.execute(f"SET LOCAL enable_seqscan = {is_free}".encode(), prepare=False)
        await connection.execute("DISCARD PLANS", prepare=False)
        cursor = await connection.execute(f"EXPLAIN (FORMAT JSON) {text}".encode(), values, prepare=False)
        row = await cursor.fetchone()
        assert row
        plans.append(Plan(text, dict(row[0][0]["Plan"]), is_free=is_free))
    return plans
