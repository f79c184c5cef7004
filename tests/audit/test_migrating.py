"""A running deployment gets the chain: what was recorded before stays, and the chain begins after it."""

from collections.abc import AsyncIterator
from typing import LiteralString

import psycopg
import pytest

from countersign.domain.audit_chain import Fault
from countersign.local.postgres import EmbeddedPostgres
from countersign.storage import ledger
from countersign.storage.migrate import migrate
from tests.support.databases import OwnDatabase
from tests.support.trails import Trails, faults, opened, verify

OLD_ACCOUNTS: LiteralString = (
    "INSERT INTO accounts (id, name, prime_liquidity, audit_number) VALUES (%s, 'Old', true, 3)"
)
OLD_EVENT: LiteralString = """INSERT INTO audit_events (account_id, number, event, actor_kind, at)
                              VALUES (%s, %s, 'request:opened', 'system', now() - interval '40 days')"""


@pytest.fixture(scope="module")
async def grown(postgres: EmbeddedPostgres) -> AsyncIterator[Trails]:
    own = OwnDatabase.make(postgres)
    migrate(own.owner_url, revision="0003")
    async with opened(own) as trails:
        with psycopg.connect(own.app_url) as old_code:
            for account_id in (trails.account_id, trails.other_id):
                old_code.execute(OLD_ACCOUNTS, (account_id,))
                for number in (1, 2, 3):
                    old_code.execute(OLD_EVENT, (account_id, number))
        migrate(own.owner_url)
        await trails.append(trails.account_id, events=2)
        yield trails


def test_old_events_are_counted_and_the_chain_begins_after_them(grown: Trails) -> None:
    with grown.tampering() as connection:
        report = verify(connection)

    assert report.findings == []
    assert (report.events, report.accounts, report.unchained) == (8, 2, 6)


async def test_old_and_new_events_are_read_as_one_trail(grown: Trails) -> None:
    async with grown.database.connection() as connection:
        events = await ledger.events(connection, grown.account_id, before=None, limit=9)

    assert [event.number for event in events] == [5, 4, 3, 2, 1]


def test_a_deleted_old_event_is_found(grown: Trails) -> None:
    with grown.tampering() as attacker:
        attacker.execute("DELETE FROM audit_events WHERE account_id = %s AND number = 2", (grown.account_id,))

        assert faults(verify(attacker), grown.account_id) == [(Fault.DELETED, 2)]


async def test_a_checkpoint_covers_accounts_with_old_events_alone(grown: Trails) -> None:
    assert await grown.checkpoint() == 1

    with grown.tampering() as attacker:
        assert verify(attacker).findings == []
        attacker.execute("DELETE FROM audit_events WHERE account_id = %s AND number = 3", (grown.other_id,))
        attacker.execute("UPDATE accounts SET audit_number = 2 WHERE id = %s", (grown.other_id,))
        assert faults(verify(attacker), grown.other_id) == [(Fault.TRUNCATED, 3)]


def test_code_from_before_the_migration_reads_on_and_has_no_effects(grown: Trails) -> None:
    """Its transaction fails and is tried again, until the new code is there."""
    with psycopg.connect(grown.own.app_url) as old_code:
        assert old_code.execute("SELECT count(*) FROM audit_events").fetchone() == (8,)
        with pytest.raises(psycopg.errors.NotNullViolation):
            old_code.execute(
                "INSERT INTO audit_events (account_id, number, event, actor_kind) VALUES (%s, 6, 'x', 'ops')",
                (grown.account_id,),
            )


def test_old_events_can_be_changed_by_nobody_with_a_statement(grown: Trails) -> None:
    for url in (grown.own.app_url, grown.own.owner_url):
        with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM audit_events_before")
