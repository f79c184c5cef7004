"""A database of its own with audit trails in it, and ways to tamper with them that nobody is meant to have."""

import base64
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import TupleRow

from countersign.adapters.keyring import KeyRing, Purpose
from countersign.auditing.verifying import Report, Verifier
from countersign.domain.audit import AuditTag, canonical
from countersign.domain.audit_chain import Fault
from countersign.domain.messages import SYSTEM, Actor, ActorKind
from countersign.domain.rules import Rules
from countersign.effects.checkpoints import write_checkpoints
from countersign.effects.work import Desk
from countersign.local.postgres import EmbeddedPostgres
from countersign.storage import accounts, ledger
from countersign.storage.audit_reading import Snapshot
from countersign.storage.database import Database
from tests.support.chains import EVENT
from tests.support.databases import OwnDatabase

_MASTERS = {name: base64.urlsafe_b64encode(name.encode() * 16).decode() for name in ("k1", "k2")}
OWNER = Actor.model_validate({"kind": ActorKind.USER, "user_id": str(uuid4()), "ip": "203.0.113.7"})
FAR = Actor.model_validate({"kind": ActorKind.USER, "user_id": str(uuid4()), "ip": "::ffff:203.0.113.9"})
DETAILS: Sequence[dict[str, Any]] = (
    {},
    {"before": {"permissions": ["read", "trade"]}, "after": {"permissions": ["read"]}},
    {"reason": 'a "quoted" reason, \u00fc\u20ac\U0001f511', "tries": 3, "ok": True, "none": None},
)
Connection = psycopg.Connection[TupleRow]


def ring_json(current: str = "k1") -> str:
    return json.dumps({"current": current, "keys": _MASTERS})


def ring(current: str = "k1") -> KeyRing:
    return KeyRing.from_json(ring_json(current))


@dataclass(frozen=True)
class Trails:
    """Audit trails in a database of their own."""

    own: OwnDatabase
    database: Database
    account_id: UUID = field(default_factory=uuid4)
    other_id: UUID = field(default_factory=uuid4)

    def desk(self, keys: KeyRing) -> Desk:
        return Desk(database=self.database, keys=keys, rules=Rules())

    async def open_account(self, account_id: UUID) -> None:
        async with self.database.connection() as connection:
            await accounts.insert(connection, account_id=account_id, name="Home", prime_liquidity=True)

    async def append(self, account_id: UUID, *, events: int, keys: KeyRing | None = None) -> None:
        desk = self.desk(keys or ring())
        for place in range(events):
            actor = (OWNER, FAR, SYSTEM)[place % 3]
            async with desk.on_account(account_id, at=datetime.now(UTC), actor=actor) as work:
                work.audit(
                    list(AuditTag)[place % len(AuditTag)],
                    request_id=uuid4(),
                    credential_id=uuid4() if place % 2 else None,
                    **DETAILS[place % 3],
                )

    async def append_at(self, account_id: UUID, *moments: datetime) -> None:
        """Append an event for each moment, as processes do whose clocks say so."""
        for moment in moments:
            async with self.database.transaction() as connection:
                head = await ledger.head(connection, account_id)
                event = EVENT._replace(account_id=str(account_id), number=head.number + 1, at=moment)
                mac = ring().mac(Purpose.AUDIT, head.mac + canonical(event))
                await ledger.append(connection, [event._replace(mac=mac)], after=head)

    async def checkpoint(self) -> int:
        return await write_checkpoints(self.desk(ring()), at=datetime.now(UTC))

    @contextmanager
    def tampering(self) -> Iterator[Connection]:
        """What an attacker with the whole database can do, in a transaction that is taken back at the end."""
        with psycopg.connect(self.own.superuser_url) as connection:
            connection.execute("SET LOCAL session_replication_role = replica; SET LOCAL timezone = 'UTC'")
            of_partitions = "SELECT conrelid::regclass::text FROM pg_constraint WHERE conname = 'chained'"
            for (name,) in connection.execute(of_partitions).fetchall():
                connection.execute(f"ALTER TABLE {name} DROP CONSTRAINT chained".encode())
            yield connection
            connection.rollback()


@asynccontextmanager
async def opened(own: OwnDatabase, **accounts_there: UUID) -> AsyncIterator[Trails]:
    database = Database(own.app_url, pool_size=2)
    await database.open()
    yield Trails(own, database, **accounts_there)
    await database.close()


@asynccontextmanager
async def trails(postgres: EmbeddedPostgres) -> AsyncIterator[Trails]:
    """Two accounts: the first with 12 events, the key rotated after 6, and a checkpoint after 10; the other with 4."""
    async with opened(OwnDatabase.make_migrated(postgres)) as found:
        for account_id in (found.account_id, found.other_id):
            await found.open_account(account_id)
        await found.append(found.account_id, events=6)
        await found.append(found.account_id, events=4, keys=ring("k2"))
        await found.append(found.other_id, events=4)
        await found.checkpoint()
        await found.append(found.account_id, events=2, keys=ring("k2"))
        yield found


def verify(connection: Connection, account_id: UUID | None = None, **options: Any) -> Report:
    return Verifier(ring()).verify_database(Snapshot(connection), account_id, **options)


def faults(report: Report, account_id: UUID | None = None) -> list[tuple[Fault, int]]:
    """Return what was found and where, of an account or of checkpoints."""
    wanted = None if account_id is None else str(account_id)
    return [(each.fault, each.number) for each in report.findings if each.account_id == wanted]
