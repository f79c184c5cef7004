"""Whatever reaches into several accounts locks them in one order, so that nobody waits in a circle."""

import asyncio
from functools import partial
from typing import LiteralString
from uuid import UUID

import psycopg
import pytest

from countersign.storage import accounts
from tests.support.cast import Cast
from tests.support.rows import select
from tests.support.security import acting_for, also_owner_of, begin_change
from tests.support.stage import eventually


async def is_locked(cast: Cast, account_id: UUID) -> bool:
    try:
        async with cast.core.database.transaction() as connection:
            await connection.execute("SELECT 1 FROM accounts WHERE id = %s FOR UPDATE NOWAIT", (account_id,))
    except Exception as error:
        if isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
            return True
        raise
    return False


async def lock_of(cast: Cast, request_id: str, *, release: asyncio.Event) -> None:
    async with cast.core.database.transaction() as connection:
        found = await accounts.lock_of_request(connection, UUID(request_id))
        assert found
        await release.wait()


@pytest.mark.parametrize("to", ["off", "api key"])
async def test_a_change_of_two_factor_locks_all_accounts_of_its_person_and_nothing_else_does(
    cast: Cast, to: str
) -> None:
    home, away = cast.owner.account_id, await also_owner_of(cast.owner, cast.outsider)
    assert home
    flow = await begin_change(cast.owner, "off") if to == "off" else await cast.owner.create_api_key()
    release = asyncio.Event()
    locking = asyncio.create_task(lock_of(cast, flow.id, release=release))
    await eventually(partial(is_locked, cast, home))

    assert await is_locked(cast, away) == (to == "off")

    release.set()
    await locking


async def test_the_account_with_the_lower_id_comes_first_whichever_the_request_is_of(cast: Cast) -> None:
    home, away = cast.owner.account_id, await also_owner_of(cast.owner, cast.outsider)
    assert home
    low, high = sorted((home, away))
    with acting_for(cast.owner, high):
        flow = await begin_change(cast.owner, "off")
    release = asyncio.Event()
    async with cast.core.database.transaction() as connection:
        await accounts.lock(connection, low)
        locking = asyncio.create_task(lock_of(cast, flow.id, release=release))
        await eventually(partial(waits_for_a_lock, cast))
        assert not await is_locked(cast, high)

    release.set()
    await locking


async def waits_for_a_lock(cast: Cast) -> bool:
    query: LiteralString = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"
    return bool(await select(cast.core, query, "%change-two-factor%"))
