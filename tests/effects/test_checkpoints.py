"""Writing checkpoints: which heads they hold, what they follow, and when they are due."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from countersign.adapters.signatures import is_signed
from countersign.domain.checkpoints import Checkpoint, Head, Signed
from countersign.effects.checkpoints import write_checkpoints, write_due
from countersign.local.postgres import EmbeddedPostgres
from countersign.storage import checkpoints, ledger
from tests.support.databases import OwnDatabase
from tests.support.house import NOW, TICK
from tests.support.trails import Trails, opened, ring

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def migrated(postgres: EmbeddedPostgres) -> OwnDatabase:
    return OwnDatabase.make_migrated(postgres)


@pytest.fixture
async def trails(migrated: OwnDatabase) -> AsyncIterator[Trails]:
    """Two accounts with an event each, and no checkpoint yet."""
    async with opened(migrated.copy()) as made:
        for account_id in (made.account_id, made.other_id):
            await made.open_account(account_id)
            await made.append(account_id, events=1)
        yield made


async def kept(trails: Trails) -> list[Signed]:
    async with trails.database.connection() as connection:
        return await checkpoints.after(connection, 0, limit=10)


async def heads(trails: Trails) -> list[Head]:
    async with trails.database.connection() as connection:
        return [
            Head(str(account_id), *await ledger.head(connection, account_id))
            for account_id in sorted([trails.account_id, trails.other_id])
        ]


async def test_the_first_checkpoint_holds_every_head_and_is_signed_by_the_current_key(trails: Trails) -> None:
    assert await write_due(trails.desk(ring("k2")), at=NOW, interval=HOUR) == 1

    [signed] = await kept(trails)
    found = Checkpoint.parse(signed.document)
    assert found == Checkpoint(number=1, previous="", key_id="k2", at=NOW, heads=await heads(trails), archived=[])
    assert is_signed(ring(), "k2", signed.document.encode(), signed.signature)


async def test_the_next_one_follows_it_and_holds_only_the_heads_that_went_on(trails: Trails) -> None:
    desk = trails.desk(ring())
    await write_checkpoints(desk, at=NOW)
    await trails.append(trails.other_id, events=2)

    assert await write_checkpoints(desk, at=NOW + HOUR) == 1

    first, second = await kept(trails)
    found = Checkpoint.parse(second.document)
    assert (found.number, found.previous, found.at) == (2, first.digest, NOW + HOUR)
    assert found.heads == [head for head in await heads(trails) if head.account_id == str(trails.other_id)]


async def test_nothing_is_written_when_nothing_is_new(trails: Trails) -> None:
    desk = trails.desk(ring())
    await write_checkpoints(desk, at=NOW)

    assert await write_checkpoints(desk, at=NOW) == 0
    assert await write_due(desk, at=NOW + HOUR, interval=HOUR) == 0
    assert len(await kept(trails)) == 1


async def test_a_checkpoint_is_due_once_the_newest_is_as_old_as_the_interval(trails: Trails) -> None:
    desk = trails.desk(ring())
    await write_checkpoints(desk, at=NOW)
    await trails.append(trails.other_id, events=1)

    assert await write_due(desk, at=NOW + HOUR - TICK, interval=HOUR) == 0
    assert await write_due(desk, at=NOW + HOUR, interval=HOUR) == 1


async def test_many_heads_are_spread_over_several_checkpoints(trails: Trails, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("countersign.effects.checkpoints.HEADS_AT_ONCE", 1)

    assert await write_due(trails.desk(ring()), at=NOW, interval=HOUR) == 2

    held = [Checkpoint.parse(signed.document).heads for signed in await kept(trails)]
    assert held == [[head] for head in await heads(trails)]


async def test_workers_at_once_write_each_head_once(trails: Trails) -> None:
    desk = trails.desk(ring())

    written = await asyncio.gather(*(write_checkpoints(desk, at=NOW) for _ in range(4)))

    assert sorted(written) == [0, 0, 0, 1]
