"""Whatever reaches into several accounts locks them in one order, so that nobody waits in a circle."""

import asyncio
from collections import defaultdict
from functools import partial
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest

from countersign.storage import accounts, sms_days
from countersign.storage.database import scalar
from tests.support.cast import Cast
from tests.support.patience import eventually
from tests.support.rows import select
from tests.support.security import acting_for, also_owner_of, begin_change, new_phone_of


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
    return bool(await select(cast.core, query, "%AS concerned%"))


async def test_where_an_sms_is_made_the_row_of_the_day_is_locked_last(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked: dict[int, list[str]] = defaultdict(list)

    def noted(module: Any, name: str) -> None:
        original = getattr(module, name)

        async def lock(connection: Any, *args: Any) -> Any:
            locked[await scalar(connection, "SELECT txid_current()")].append(module.__name__.rpartition(".")[2])
            return await original(connection, *args)

        monkeypatch.setattr(module, name, lock)

    for name in ("lock", "lock_of_request"):
        noted(accounts, name)
    for name in ("hold", "add"):
        noted(sms_days, name)
    await also_owner_of(cast.owner, cast.outsider)
    flow = await cast.sms_owner.create_api_key()
    await flow.code()
    await flow.skip(minutes=2)
    assert (await flow.post("/two-factor-code/resend")).status_code == 200
    change = await begin_change(cast.owner, "sms", phone=new_phone_of(cast.owner))
    assert (await change.enter_code()).status_code == 200

    making = [order for order in locked.values() if "sms_days" in order]
    assert len(making) == 3
    for order in making:
        assert order[0] == "accounts"
        assert "accounts" not in order[order.index("sms_days") :]
