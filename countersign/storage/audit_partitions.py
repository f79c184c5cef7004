"""Taking old months of audit events out of the database, as the role that owns it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow, class_row

from countersign.domain.audit import GENESIS, Recorded
from countersign.domain.checkpoints import Signed
from countersign.domain.errors import Conflict, Unavailable
from countersign.storage.audit_reading import EVENTS, IN_ORDER, recorded
from countersign.storage.checkpoints import INSERT, LOCK, NEWEST

_AT_ONCE = 5000


class Partition(NamedTuple):
    """One part of the table of audit events, holding those before ``until``."""

    id: int
    name: str
    until: datetime


class OwnersTransaction:
    """What the owner of the schema may do to audit events, all of it or nothing."""

    def __init__(self, connection: "psycopg.Connection[TupleRow]") -> None:
        self._connection = connection

    def partitions(self, *, before: datetime) -> list[Partition]:
        """Return the partitions whose events are all before the moment, locked against new ones; the oldest first."""
        query = r"""SELECT id, name, until FROM (
                        SELECT c.oid::bigint AS id, c.relname AS name,
                               (regexp_match(pg_get_expr(c.relpartbound, c.oid), $$TO \('([^']+)'\)$$))[1]::timestamptz
                               AS until
                        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                        WHERE i.inhparent = 'public.audit_events'::regclass) AS partitions
                    WHERE until <= %s ORDER BY until"""
        with self._connection.cursor(row_factory=class_row(Partition)) as cursor:
            found = cursor.execute(query, (before,)).fetchall()
        for partition in found:
            self._execute("LOCK TABLE {} IN SHARE MODE", partition)
        return found

    def events(self, partitions: Sequence[Partition]) -> Iterator[Recorded]:
        """Yield the events of the partitions by account and number."""
        with self._connection.cursor("archived_events") as cursor:
            values = ([partition.id for partition in partitions],)
            cursor.execute(f"{EVENTS} WHERE tableoid = ANY(%s::oid[]) {IN_ORDER}", values)
            while rows := cursor.fetchmany(_AT_ONCE):
                yield from map(recorded, rows)

    def mac_of(self, account_id: str, number: int) -> bytes | None:
        """Return the MAC of an event, or None if it is not in the database."""
        query = "SELECT coalesce(mac, %s) FROM audit_events WHERE account_id = %s AND number = %s"
        row = self._connection.execute(query, (GENESIS, account_id, number)).fetchone()
        return row[0] if row else None

    def newest_checkpoint(self) -> Signed | None:
        """Return the newest checkpoint; nobody else writes one until the transaction ends."""
        self._connection.execute(LOCK)
        row = self._connection.execute(NEWEST).fetchone()
        return Signed(*row) if row else None

    def insert_checkpoint(self, number: int, signed: Signed) -> None:
        """Store a checkpoint."""
        self._connection.execute(INSERT, (number, *signed))

    def take_out(self, partition: Partition, *, drop: bool) -> None:
        """Detach the partition, and drop it if asked to."""
        self._execute("ALTER TABLE audit_events DETACH PARTITION {}", partition)
        if drop:
            self._execute("DROP TABLE {}", partition)

    def _execute(self, statement: str, partition: Partition) -> None:
        self._connection.execute(sql.SQL(statement).format(sql.Identifier(partition.name)))


@contextmanager
def owners_transaction(url: str) -> Iterator[OwnersTransaction]:
    """Open a transaction as the owner; raises ``Unavailable``, and ``Conflict`` for a role that is not the owner."""
    try:
        with psycopg.connect(url, connect_timeout=3) as connection:
            connection.execute("SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'; SET LOCAL lock_timeout = '5s'")
            yield OwnersTransaction(connection)
    except psycopg.errors.LockNotAvailable:
        raise Unavailable("Others work on audit events; nothing was archived, try again.") from None
    except psycopg.errors.InsufficientPrivilege:
        raise Conflict("Archiving needs the owner's database role: COUNTERSIGN_MIGRATION_DATABASE_URL.") from None
    except psycopg.OperationalError:
        raise Unavailable("The database does not answer; try again.") from None
