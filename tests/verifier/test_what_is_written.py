"""What a verifier writes: used signatures, and what came of calls."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from ipaddress import ip_address
from uuid import UUID, uuid4

import pytest

from countersign.domain.errors import Unavailable
from countersign.domain.verification import Outcome
from countersign.gateway_client import GatewayClient
from countersign.local.tcp_ports import free_port
from countersign.storage import activity, used_signatures
from countersign.storage.database import Database
from countersign.verification.activity import Activity
from countersign.verification.replays import Replays, Signed
from tests.support.customers import ELSEWHERE, HERE, Customer, asked
from tests.support.verifiers import Site

MAC = b"m" * 32


@pytest.fixture
async def database(site: Site) -> AsyncIterator[Database]:
    opened = Database(site.own.verifier_url, pool_size=2)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def nowhere(site: Site, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """A database that does not answer, and is not waited for as long as others."""
    monkeypatch.setattr("countersign.storage.database._WAIT_SECONDS", 0.1)
    port = site.own.server.port
    opened = Database(site.own.verifier_url.replace(f":{port}/", f":{free_port()}/"), pool_size=1)
    await opened.open()
    yield opened
    await opened.close()


def signed(number: int = 0, *, at: float | None = None) -> Signed:
    return Signed.of(UUID(int=number), str(time.time() if at is None else at), uuid4().bytes * 2)


async def test_of_many_that_come_at_once_each_is_first_once(database: Database, site: Site) -> None:
    signatures = [signed(number) for number in range(50)]
    verifiers = [Replays(database), Replays(site.database)]
    found = await asyncio.gather(*(each.first_comers(signatures) for each in verifiers * 3))
    firsts = [sum(of_one[number] for of_one in found) for number in range(50)]
    assert firsts == [1] * 50


def test_a_signature_is_the_same_for_nobody_else() -> None:
    one, other = (Signed.of(UUID(int=number), "1700000000", MAC) for number in (1, 2))
    assert one != other
    assert one == Signed.of(UUID(int=1), "1700000000.9", MAC)
    assert one.minute == 1_700_000_000 // 60


async def test_what_a_crash_of_the_database_has_forgotten_the_verifier_that_saw_it_has_not(
    database: Database, customer: Customer
) -> None:
    replays, once = Replays(database), signed()
    assert await replays.first_comers([once, once]) == [True, False]
    await customer.change("DELETE FROM used_signatures WHERE digest = %s", once.digest)
    assert await replays.first_comers([once]) == [False]


async def test_a_signature_whose_use_could_not_be_stored_was_not_used(nowhere: Database, database: Database) -> None:
    replays, once = Replays(nowhere), signed()
    for _ in range(2):
        with pytest.raises(Unavailable):
            await replays.first_comers([once])
    assert await Replays(database).first_comers([once]) == [True]


async def test_signatures_that_are_too_old_to_come_again_are_removed(database: Database) -> None:
    old, new = signed(at=time.time() - 600), signed()
    await Replays(database).first_comers([old, new])
    async with database.connection() as connection:
        assert await used_signatures.forget(connection, before_minute=int(time.time() - 300) // 60) >= 1
    assert await Replays(database).first_comers([old, new]) == [True, False]


async def test_counts_are_added_to_those_of_the_day_and_the_last_one_stays_the_last(
    database: Database, customer: Customer
) -> None:
    credential_id, now = uuid4(), time.time()
    for at, ip, times in ((now, HERE, 3), (now - 5, ELSEWHERE, 2)):
        counting = Activity(database)
        for _ in range(times):
            counting.note(credential_id, Outcome.ALLOWED, at=at, ip=ip_address(ip))
        await counting.write()
    async with database.connection() as connection:
        [last] = await activity.last_uses(connection, [credential_id, uuid4()])
    assert await customer.counted(credential_id) == {"allowed": 5}
    assert (str(last.ip), last.at) == (HERE, datetime.fromtimestamp(now, UTC))


async def test_counts_that_cannot_be_written_are_written_later(
    nowhere: Database, database: Database, customer: Customer
) -> None:
    credential_id, ip = uuid4(), ip_address(HERE)
    counting = Activity(nowhere)
    counting.note(credential_id, Outcome.CLOCK, at=time.time(), ip=ip)
    await counting.write()
    counting.note(credential_id, Outcome.CLOCK, at=time.time(), ip=ip)
    counting._database = database
    await counting.write()
    assert await customer.counted(credential_id) == {"clock": 2}


async def test_a_verifier_that_is_stopped_writes_what_it_has_counted(site: Site, customer: Customer) -> None:
    key = await customer.api_key()
    async with site.verifier() as served, GatewayClient(served.url, token=site.token) as gateway:
        await gateway.verify([asked(key.rest())])
    assert await customer.counted(key.id) == {"allowed": 1}


async def test_the_days_of_a_credential_are_told_the_newest_first(database: Database) -> None:
    credential_id, now = uuid4(), time.time()
    counting = Activity(database)
    for days in (2, 0, 1, 40):
        counting.note(credential_id, Outcome.ALLOWED, at=now - days * 86_400, ip=ip_address(HERE))
    await counting.write()
    since = datetime.fromtimestamp(now - 30 * 86_400, UTC).date()
    async with database.connection() as connection:
        found = await activity.of_credential(connection, credential_id, since_day=since)
    assert [(datetime.fromtimestamp(now, UTC).date() - each.day).days for each in found] == [0, 1, 2]
