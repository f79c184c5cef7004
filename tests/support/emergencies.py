"""A database apart, since what stops or freezes everything would stop the other tests, too."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from countersign.adapters.keyring import KeyRing, new_key_ring_json
from countersign.auditing.verifying import Verifier
from countersign.domain.audit_chain import Finding
from countersign.domain.freezing import HouseFreeze
from countersign.domain.messages import ActivationCode, Actor, ActorKind
from countersign.domain.rules import Rules
from countersign.effects.issuance import freeze_house, frozen_house, thaw_house
from countersign.effects.orders import Order
from countersign.effects.work import Desk
from countersign.local.postgres import EmbeddedPostgres
from countersign.storage.audit_reading import snapshot
from countersign.storage.database import Database
from tests.support.databases import OwnDatabase
from tests.support.house import NOW, Case, House

ORDER = Order(at=NOW, actor=Actor(kind=ActorKind.OPS), by="Otto", reason="leaked, ticket 7")


@asynccontextmanager
async def desk_apart(server: EmbeddedPostgres, *, pool_size: int = 10) -> AsyncIterator[Desk]:
    """Open a desk on a database of its own."""
    own = await asyncio.to_thread(OwnDatabase.make_migrated, server)
    database = Database(own.app_url, pool_size=pool_size)
    await database.open()
    yield Desk(database=database, keys=KeyRing.from_json(new_key_ring_json()), rules=Rules())
    await database.close()


@asynccontextmanager
async def house_frozen(desk: Desk, freeze: HouseFreeze) -> AsyncIterator[None]:
    """Freeze issuing for all accounts, and thaw it."""
    await freeze_house(desk, freeze, ORDER)
    try:
        yield
    finally:
        if await frozen_house(desk):
            await thaw_house(desk, ORDER)


async def active_key(house: House) -> UUID:
    """Return the id of a new API key that is active."""
    case = await (await house.create_key()).to_waiting()
    assert await case.problem(ActivationCode(code=await case.sent())) is None
    return (await case.request()).credential_id


async def active_fix(house: House) -> UUID:
    """Return the id of new FIX credentials that are active."""
    case = await (await house.create_fix()).to_waiting()
    assert (await case.decide()).problem is None
    return (await case.request()).credential_id


async def status(house: House, credential_id: UUID) -> str:
    [(found,)] = await house.select("SELECT status FROM credentials WHERE id = %s", credential_id)
    return str(found)


async def outcome(case: Case) -> str | None:
    return (await case.request()).outcome


async def told_by_ops(house: House) -> list[dict[str, Any]]:
    """Return the details of what the trail tells of ops having stopped."""
    return [details for event, details in await house.events() if event == "ops:stopped"]


async def findings(desk: Desk, account_id: UUID) -> list[Finding]:
    """Return what is wrong with the account's trail."""

    def verify() -> list[Finding]:
        with snapshot(str(desk.database._pool.conninfo)) as found:
            return Verifier(desk.keys).verify_database(found, account_id).findings

    return await asyncio.to_thread(verify)
