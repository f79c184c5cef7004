"""Appending events: in the effect's transaction, after the head, by nobody but the application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from countersign.adapters.keyring import KeyNotHeld, KeyRing
from countersign.domain.audit import AuditTag, NotCanonical, Place, Recorded
from countersign.domain.messages import SYSTEM
from countersign.effects.work import Work
from countersign.storage import checkpoints, ledger
from countersign.storage.audit_reading import snapshot
from countersign.storage.ledger import AuditHeadMoved
from tests.support.trails import Trails, ring, verify


@asynccontextmanager
async def working(trails: Trails, keys: KeyRing | None = None) -> AsyncIterator[Work]:
    desk = trails.desk(keys or ring())
    async with desk.on_account(trails.account_id, at=datetime.now(UTC), actor=SYSTEM) as work:
        yield work


async def head(trails: Trails) -> Place:
    async with trails.database.connection() as connection:
        return await ledger.head(connection, trails.account_id)


async def test_two_units_of_work_on_one_account_in_one_transaction_make_one_chain(trails: Trails) -> None:
    before = await head(trails)

    async with working(trails) as work:
        second = replace(work, actor=SYSTEM)
        for each in (work, second, work, second):
            each.audit(AuditTag.CODE_WRONG)

    assert (await head(trails)).number == before.number + 4
    with trails.tampering() as connection:
        assert verify(connection).findings == []


async def test_a_head_that_moved_meanwhile_refuses_the_event(trails: Trails) -> None:
    before = await head(trails)
    async with working(trails) as work:
        work.audit(AuditTag.CODE_WRONG)
    async with trails.database.connection() as connection:
        [event, *_] = await ledger.events(connection, trails.account_id, before=None, limit=1)
        row = await (
            await connection.execute(
                "SELECT key_id, mac FROM audit_events WHERE account_id = %s AND number = %s",
                (trails.account_id, event.number),
            )
        ).fetchone()
        assert row

    async with working(trails) as work:
        fork = Recorded(str(trails.account_id), event.number, "x", event.at, "system", None, None, None, None, {}, *row)
        with pytest.raises(AuditHeadMoved):
            await ledger.append(work.connection, [fork], after=before)
        with pytest.raises(AuditHeadMoved):
            await ledger.append(work.connection, [fork], after=Place((await head(trails)).number, bytes(32)))


async def test_an_account_that_is_gone_has_no_head(trails: Trails) -> None:
    async with trails.database.connection() as connection:
        with pytest.raises(AuditHeadMoved):
            await ledger.head(connection, uuid4())


async def test_many_at_once_make_one_chain_without_gaps(trails: Trails) -> None:
    await asyncio.gather(*(trails.append(trails.account_id, events=2) for _ in range(5)))

    with trails.tampering() as connection:
        assert verify(connection).findings == []


async def test_reading_all_trails_holds_nobody_up_and_sees_one_moment(trails: Trails) -> None:
    with snapshot(trails.own.app_url) as now:
        events = now.events()
        first = next(events)

        await trails.append(trails.account_id, events=3)
        async with trails.database.connection() as connection:
            assert await checkpoints.make_partitions(connection) == 0
        read = [first, *events]

    with snapshot(trails.own.app_url) as later:
        assert len(list(later.events())) == len(read) + 3


async def test_details_without_a_single_form_stop_the_effect(trails: Trails) -> None:
    before = await head(trails)

    async def work_with_floats() -> None:
        async with working(trails) as work:
            work.audit(AuditTag.CODE_WRONG)
            work.audit(AuditTag.CODE_WRONG, share=0.5)

    with pytest.raises(NotCanonical):
        await work_with_floats()

    assert await head(trails) == before


async def test_a_process_without_the_audit_key_has_no_effects(trails: Trails) -> None:
    before = await head(trails)

    with pytest.raises(KeyNotHeld):
        async with working(trails, KeyRing(current="k1", keys={})) as work:
            work.audit(AuditTag.CODE_WRONG)

    assert await head(trails) == before
