"""What the database refuses becomes an error of the product, also when two connections race."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from countersign.domain.credentials import CredentialKind, CredentialStatus, SessionType
from countersign.domain.errors import NameTaken, RequestOpen
from countersign.domain.people import TwoFactorMethod
from countersign.domain.permissions import Permission
from countersign.domain.requests import Journey
from countersign.storage import credentials, ledger, requests, users
from countersign.storage.credentials import NewCredential
from countersign.storage.database import Connection, Database
from countersign.storage.requests import NewRequest
from countersign.wiring import Parts
from tests.support.cast import Cast

Insert = Callable[[Connection], Awaitable[object]]


@pytest.fixture
async def connection(core: Parts) -> AsyncIterator[Connection]:
    async with core.database.connection() as lent:
        yield lent


def request_of(cast: Cast, **changes: Any) -> NewRequest:
    owner = cast.owner
    new = {
        "id": uuid4(),
        "account_id": owner.account_id,
        "user_id": owner.id,
        "credential_id": uuid4(),
        "credential_version": 1,
        "journey": Journey.EDIT_API_KEY,
        "name": "bot",
        "name_key": "bot",
        "two_factor_method": TwoFactorMethod.AUTHENTICATOR,
    }
    return NewRequest.model_validate({**new, **changes})


def credential_of(cast: Cast, **changes: Any) -> NewCredential:
    new = {
        "id": uuid4(),
        "account_id": cast.owner.account_id,
        "kind": CredentialKind.API_KEY,
        "name": "bot",
        "name_key": "bot",
        "public_id": uuid4().hex,
        "session_type": None,
        "permissions": [Permission.READ],
        "ip_whitelist": [],
        "secret_sealed": b"sealed",
        "created_by": cast.owner.id,
    }
    return NewCredential.model_validate({**new, **changes})


async def race(database: Database, first: Insert, second: Insert) -> BaseException | None:
    """Let the second insert while the first has not committed yet; return what becomes of the second."""
    async with database.connection() as one, database.connection() as other:
        async with one.transaction():
            await first(one)
            waiting = asyncio.create_task(_alone(other, second))
            await _until_it_waits(one, other.info.backend_pid)
        [outcome] = await asyncio.gather(waiting, return_exceptions=True)
    return outcome


async def _alone(connection: Connection, insert: Insert) -> None:
    async with connection.transaction():
        await insert(connection)


async def _until_it_waits(connection: Connection, pid: int) -> None:
    query = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s"
    for _ in range(500):
        cursor = await connection.execute(query, (pid,))
        if (await cursor.fetchone()) == (True,):
            return
        await asyncio.sleep(0.005)
    pytest.fail("the second never waited for the first")


async def test_of_two_requests_about_one_credential_the_second_is_refused(cast: Cast) -> None:
    first = request_of(cast)
    second = request_of(cast, credential_id=first.credential_id, name_key="other")

    outcome = await race(
        cast.core.database,
        lambda connection: requests.insert(connection, first),
        lambda connection: requests.insert(connection, second),
    )

    assert isinstance(outcome, RequestOpen)


async def test_of_two_creations_with_one_name_the_second_is_refused(cast: Cast) -> None:
    first, second = (request_of(cast, journey=Journey.CREATE_API_KEY) for _ in range(2))

    outcome = await race(
        cast.core.database,
        lambda connection: requests.insert(connection, first),
        lambda connection: requests.insert(connection, second),
    )

    assert isinstance(outcome, NameTaken)


async def test_of_two_api_keys_with_one_name_the_second_is_refused(cast: Cast) -> None:
    outcome = await race(
        cast.core.database,
        lambda connection: credentials.insert(connection, credential_of(cast)),
        lambda connection: credentials.insert(connection, credential_of(cast)),
    )

    assert isinstance(outcome, NameTaken)


async def test_a_first_that_is_taken_back_leaves_the_way_free(cast: Cast) -> None:
    database, first, second = cast.core.database, request_of(cast), request_of(cast)
    second = second.model_copy(update={"credential_id": first.credential_id})

    async def then_fail() -> None:
        async with database.transaction() as connection:
            await requests.insert(connection, first)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await then_fail()
    async with database.transaction() as connection:
        await requests.insert(connection, second)
        assert await requests.get(connection, first.id) is None
        assert await requests.get(connection, second.id) is not None


async def test_another_accounts_names_are_free(cast: Cast, connection: Connection) -> None:
    await credentials.insert(connection, credential_of(cast))

    await credentials.insert(connection, credential_of(cast, account_id=cast.outsider.account_id))


async def test_a_session_name_is_unique_everywhere(cast: Cast, connection: Connection) -> None:
    fix = {"kind": CredentialKind.FIX, "session_type": SessionType.TRADE, "secret_sealed": None, "password_mac": b"mac"}
    name = f"CS-{uuid4().hex}"
    await credentials.insert(connection, credential_of(cast, name=name, **fix))

    with pytest.raises((NameTaken, psycopg.errors.UniqueViolation)):
        await credentials.insert(connection, credential_of(cast, name=name, account_id=cast.outsider.account_id, **fix))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE credentials SET status = 'gone' WHERE id = %s",
        "UPDATE credentials SET status = 'active', secret_sealed = NULL WHERE id = %s",
        "UPDATE credentials SET session_type = 'trade' WHERE id = %s",
        "UPDATE credentials SET kind = 'fix' WHERE id = %s",
    ],
)
async def test_a_credential_cannot_be_half_of_one_kind(cast: Cast, connection: Connection, statement: str) -> None:
    new = credential_of(cast)
    await credentials.insert(connection, new)

    with pytest.raises(psycopg.errors.CheckViolation):
        await connection.execute(statement.encode(), (new.id,))


async def test_a_request_is_closed_with_an_outcome_or_not_at_all(cast: Cast, connection: Connection) -> None:
    new = request_of(cast)
    await requests.insert(connection, new)

    for columns in (
        "step = 'closed'",
        "outcome = 'expired'",
        "step = 'closed', outcome = 'expired', reveal_sealed = 'x'",
    ):
        statement = f"UPDATE requests SET {columns} WHERE id = %s"  # noqa: S608 - from the list above
        with pytest.raises(psycopg.errors.CheckViolation):
            await connection.execute(statement.encode(), (new.id,))


async def test_a_statement_is_used_once_however_many_race_for_it(cast: Cast) -> None:
    new, statement = request_of(cast), str(uuid4())
    async with cast.core.database.connection() as connection:
        await requests.insert(connection, new)

    async def use() -> bool:
        async with cast.core.database.transaction() as connection:
            return await ledger.use_statement(connection, statement, request_id=new.id)

    assert sorted(await asyncio.gather(*(use() for _ in range(6)))) == [False] * 5 + [True]


async def test_a_totp_step_is_used_once_however_many_race_for_it(cast: Cast) -> None:
    async def use(step: int) -> bool:
        async with cast.core.database.transaction() as connection:
            return await users.use_totp_step(connection, cast.owner.id, step)

    assert sorted(await asyncio.gather(*(use(7) for _ in range(6)))) == [False] * 5 + [True]
    assert [await use(6), await use(7), await use(8)] == [False, False, True]


async def test_a_credential_changes_only_at_the_version_that_was_meant(cast: Cast, connection: Connection) -> None:
    new = credential_of(cast)
    await credentials.insert(connection, new)

    async def change(version: int) -> int | None:
        changed = await credentials.change(
            connection, credential_id=new.id, version=version, status=CredentialStatus.ACTIVE
        )
        return changed.version if changed else None

    assert [await change(2), await change(1), await change(1)] == [None, 2, None]
