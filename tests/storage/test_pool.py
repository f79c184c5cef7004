"""The pool heals: after an outage the next call works, and during one it says so in time."""

import asyncio
import time
from collections.abc import AsyncIterator

import psycopg
import pytest

from countersign.domain.errors import Unavailable
from countersign.local.postgres import EmbeddedPostgres
from countersign.local.tcp_ports import free_port
from countersign.storage.database import Database, scalar
from tests.support.databases import OwnDatabase


@pytest.fixture
def own(postgres: EmbeddedPostgres) -> OwnDatabase:
    return OwnDatabase.make(postgres)


@pytest.fixture
async def database(own: OwnDatabase) -> AsyncIterator[Database]:
    opened = Database(own.owner_url, pool_size=4)
    await opened.open()
    yield opened
    await opened.close()


async def ask(database: Database) -> int:
    async with database.connection() as connection:
        return int(await scalar(connection, "SELECT 1"))


async def test_after_every_connection_was_ended_the_next_calls_work(own: OwnDatabase, database: Database) -> None:
    await asyncio.gather(*(ask(database) for _ in range(4)))
    ended = await asyncio.to_thread(own.end_connections)

    assert ended >= 1
    assert await asyncio.gather(*(ask(database) for _ in range(8))) == [1] * 8


async def test_a_transaction_whose_connection_ends_is_unavailable_and_leaves_nothing(
    own: OwnDatabase, database: Database
) -> None:
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE marks (n integer)")

    async def interrupted() -> None:
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO marks VALUES (1)")
            await asyncio.to_thread(own.end_connections)
            await connection.execute("INSERT INTO marks VALUES (2)")

    with pytest.raises(Unavailable):
        await interrupted()
    async with database.connection() as connection:
        assert await scalar(connection, "SELECT count(*) FROM marks") == 0


async def test_a_transaction_that_fails_is_undone_and_its_connection_used_again(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE marks (n integer)")

    async def fail() -> None:
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO marks VALUES (1)")
            raise InterruptedError

    for _ in range(10):
        with pytest.raises(InterruptedError):
            await fail()
    async with database.connection() as connection:
        assert await scalar(connection, "SELECT count(*) FROM marks") == 0


async def test_a_database_that_does_not_answer_is_unavailable_within_a_few_seconds() -> None:
    nowhere = Database(f"postgresql://nobody@127.0.0.1:{free_port()}/none", pool_size=1)
    await nowhere.open()
    began = time.monotonic()

    with pytest.raises(Unavailable) as caught:
        await nowhere.ping()

    await nowhere.close()
    assert time.monotonic() - began < 5
    assert "127.0.0.1" not in str(caught.value)


async def test_more_callers_than_connections_wait_for_their_turn(database: Database) -> None:
    assert await asyncio.gather(*(ask(database) for _ in range(60))) == [1] * 60


async def test_times_are_read_and_written_in_utc(database: Database) -> None:
    async with database.connection() as connection:
        assert await scalar(connection, "SHOW timezone") == "UTC"
        assert await scalar(connection, "SHOW statement_timeout") == "10s"


async def test_a_statement_error_is_not_an_outage(database: Database) -> None:
    async def divide() -> None:
        async with database.connection() as connection:
            await connection.execute("SELECT 1 / 0")

    with pytest.raises(psycopg.errors.DivisionByZero):
        await divide()
