"""Reading whole audit trails, as they all stood at one moment, and without holding anybody up."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

from countersign.domain.audit import GENESIS, Place, Recorded
from countersign.domain.checkpoints import Signed
from countersign.domain.errors import Unavailable
from countersign.domain.explaining import Standing

_AT_ONCE = 5000
_SETTINGS: LiteralString = """SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'; SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL work_mem = '64MB'"""
# As text: whatever stands there can be read, and is compared with what was signed.
EVENTS: LiteralString = """SELECT account_id::text, number, event, at::text, actor_kind, actor_id::text, ip::text,
request_id::text, credential_id::text, details::text, key_id, mac FROM audit_events"""
IN_ORDER: LiteralString = "ORDER BY account_id, number, at"


class Snapshot:
    """The audit trails as they stand at one moment; ``account_id`` None stands for all accounts."""

    def __init__(self, connection: "psycopg.Connection[TupleRow]") -> None:
        self._connection = connection

    def events(self, account_id: UUID | None = None, *, since: int = 1) -> Iterator[Recorded]:
        """Yield the events by account and number, from number ``since`` on."""
        query: LiteralString = f"{EVENTS} WHERE (%(account)s::uuid IS NULL OR account_id = %(account)s)"
        values = {"account": account_id, "since": since}
        with self._connection.cursor("audit_events") as cursor:
            cursor.execute(f"{query} AND number >= %(since)s {IN_ORDER}", values)
            while rows := cursor.fetchmany(_AT_ONCE):
                yield from map(recorded, rows)

    def heads(self, account_id: UUID | None = None) -> dict[str, Place]:
        """Return where the accounts say that their chains end."""
        query = """SELECT id::text, audit_number, coalesce(audit_mac, %(genesis)s) FROM accounts
                   WHERE %(account)s::uuid IS NULL OR id = %(account)s"""
        rows = self._connection.execute(query, {"account": account_id, "genesis": GENESIS})
        return {found: Place(number, mac) for found, number, mac in rows}

    def places(self, number: int, account_id: UUID | None = None) -> dict[str, bytes]:
        """Return the MACs of the events with this number, by account."""
        query = """SELECT account_id::text, coalesce(mac, %(genesis)s) FROM audit_events WHERE number = %(number)s
                   AND (%(account)s::uuid IS NULL OR account_id = %(account)s)"""
        values = {"account": account_id, "number": number, "genesis": GENESIS}
        return dict(self._connection.execute(query, values).fetchall())

    def credentials(self, account_id: UUID | None = None) -> Iterator[Standing]:
        """Yield the credentials as they stand, discarded ones too."""
        query = """SELECT account_id::text, id::text, status, permissions, ip_whitelist, funds_from, trading_limits
                   FROM credentials
                   WHERE %(account)s::uuid IS NULL OR account_id = %(account)s ORDER BY account_id, id"""
        yield from map(Standing._make, self._connection.execute(query, {"account": account_id}))

    def checkpoints(self) -> list[tuple[int, Signed]]:
        """Return the checkpoints, each with the number that it is kept under, in the order of these."""
        rows = self._connection.execute("SELECT number, document, signature FROM audit_checkpoints ORDER BY number")
        return [(number, Signed(document, signature)) for number, document, signature in rows]


@contextmanager
def snapshot(url: str) -> Iterator[Snapshot]:
    """Open a snapshot; raises ``Unavailable`` when the database does not answer."""
    try:
        with psycopg.connect(url, connect_timeout=3) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            connection.execute(_SETTINGS)
            yield Snapshot(connection)
    except psycopg.OperationalError:
        raise Unavailable("The database does not answer; try again.") from None


def recorded(row: tuple[Any, ...]) -> Recorded:
    """Return a row of ``EVENTS`` as an event; what cannot be read in it becomes what no event ever held."""
    account, number, event, at, kind, actor, ip, request, credential, details, key_id, mac = row
    return Recorded(
        account,
        number,
        event,
        _moment(at),
        kind,
        actor,
        None if ip is None else _address(ip),
        request,
        credential,
        _details(details),
        key_id,
        mac,
    )


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def _address(text: str) -> str:
    address, _, mask = text.partition("/")
    return address if int(mask or 0) == ip_address(address).max_prefixlen else text


def _details(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
