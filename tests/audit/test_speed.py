"""A million events are verified in under a minute."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from countersign.adapters.keyring import Purpose
from countersign.auditing.verifying import Verifier
from countersign.domain.audit import GENESIS, Place, canonical
from countersign.local.postgres import EmbeddedPostgres
from countersign.storage.audit_reading import snapshot
from tests.support.chains import EVENT
from tests.support.databases import OwnDatabase
from tests.support.trails import DETAILS, ring

LIMIT_SECONDS = 60
ACCOUNTS = 500
BEGAN = datetime(2020, 1, 1, tzinfo=UTC)
COLUMNS = "account_id, number, event, at, actor_kind, actor_id, ip, request_id, credential_id, details, key_id, mac"


def rows(accounts: list[UUID], events: int, heads: dict[UUID, Place]) -> Iterator[tuple[Any, ...]]:
    """Yield the events of all accounts as they come about: each account's lie far apart, over four years."""
    keys, pause = ring(), timedelta(days=4 * 365) / (events * len(accounts))
    for number in range(1, events + 1):
        for place, account_id in enumerate(accounts):
            event = EVENT._replace(
                account_id=str(account_id),
                number=number,
                at=BEGAN + pause * ((number - 1) * len(accounts) + place),
                details=DETAILS[number % len(DETAILS)],
            )
            previous = heads.get(account_id, Place(0, GENESIS)).mac
            mac = keys.mac(Purpose.AUDIT, previous + canonical(event))
            heads[account_id] = Place(number, mac)
            yield (*event[:-3], json.dumps(event.details), event.key_id, mac)


def fill(database: OwnDatabase, *, events: int) -> None:
    accounts, heads = [uuid4() for _ in range(ACCOUNTS)], dict[UUID, Place]()
    with psycopg.connect(database.owner_url) as owner, owner.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_events DETACH PARTITION audit_events_before")
        for year in range(2020, 2024):
            bounds = f"FOR VALUES FROM ('{year}-01-01+00') TO ('{year + 1}-01-01+00')"
            cursor.execute("SELECT attach_audit_partition(%s, %s)", (f"audit_events_{year}", bounds))
        insert = "INSERT INTO accounts (id, name, prime_liquidity) VALUES (%s, 'Home', true)"
        cursor.executemany(insert, [(account_id,) for account_id in accounts])
        with cursor.copy(f"COPY audit_events ({COLUMNS}) FROM STDIN") as copy:
            for row in rows(accounts, events // ACCOUNTS, heads):
                copy.write_row(row)
        change = "UPDATE accounts SET audit_number = %s, audit_mac = %s WHERE id = %s"
        cursor.executemany(change, [(*head, account_id) for account_id, head in heads.items()])


@pytest.mark.parametrize("events", [2_000, pytest.param(1_000_000, marks=pytest.mark.prove)])
def test_events_are_verified_fast(postgres: EmbeddedPostgres, events: int) -> None:
    database = OwnDatabase.make_migrated(postgres)
    fill(database, events=events)

    began, worked = time.monotonic(), time.process_time()
    with snapshot(database.app_url) as now:
        report = Verifier(ring()).verify_database(now)
    seconds = time.monotonic() - began
    # The figure that is proved; what others made it wait for is not in the second one.
    print(f"{events:,} events in {seconds:.1f} s, {time.process_time() - worked:.1f} s of them at work")  # noqa: T201

    assert (report.findings, report.events, report.accounts) == ([], events, ACCOUNTS)
    assert seconds < LIMIT_SECONDS
