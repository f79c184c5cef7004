"""A database that takes no writes: every call says so, nothing is done by half, and all goes on when there is room."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from countersign.dispatch import messenger
from countersign.local.issuer import Issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.settings import Settings
from countersign.storage import database
from tests.support import sandbox
from tests.support.answers import problem
from tests.support.cast import Cast, Flow, Providers
from tests.support.databases import OwnDatabase
from tests.support.patience import eventually
from tests.support.rows import select
from tests.support.stage import Stage, settle, stage_of
from workflows import storage_steps

_ALL_UP = {"database": "up", "keys": "up", "temporal": "up", "worker": "up"}
_FULL = """CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'could not extend file "base/5"' USING ERRCODE = 'disk_full'; END $$"""
_TRIGGER = "CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON {} FOR EACH ROW EXECUTE FUNCTION full_disk()"


def _one_and_in_the_long_proofs(*tables: str) -> list[Any]:
    return [tables[0], *(pytest.param(table, marks=pytest.mark.prove) for table in tables[1:])]


_AT_A_START = _one_and_in_the_long_proofs("requests", "audit_events", "idempotency_keys", "accounts")
_AT_A_CODE = _one_and_in_the_long_proofs("message_verdicts", "credentials", "challenges", "requests")


@pytest.fixture(scope="module")
def own(postgres: EmbeddedPostgres) -> OwnDatabase:
    return OwnDatabase.make_migrated(postgres)


@pytest.fixture(scope="module")
async def stage(own: OwnDatabase, settings: Settings, issuer: Issuer, providers: Providers) -> AsyncIterator[Stage]:
    changes = {"database_url": SecretStr(own.app_url), "message_timeout_seconds": 0.5}
    with pytest.MonkeyPatch.context() as impatient:
        # A step fails at once, not after six seconds; and what failed is taken up again a fifth of a second later.
        impatient.setattr(storage_steps, "_ROUNDS", 1)
        impatient.setattr(sandbox, "PASSED_THROUGH", (*sandbox.PASSED_THROUGH, "workflows.storage_steps"))
        impatient.setattr(messenger, "_FAILS_FOR_SECONDS", 0.2)
        impatient.setattr(database, "_REMEMBERED_SECONDS", 0.2)
        async with _at_work(settings.model_copy(update=changes), issuer, providers) as stage:
            yield stage


@asynccontextmanager
async def _at_work(settings: Settings, issuer: Issuer, providers: Providers) -> AsyncIterator[Stage]:
    async with (
        stage_of(settings, issuer=issuer, providers=providers) as stage,
        stage.at_work(chores=True),
    ):
        yield stage


@pytest.fixture
async def cast(stage: Stage, issuer: Issuer, providers: Providers) -> Cast:
    return await Cast.enter(stage.core, http=stage.cast.owner.http, issuer=issuer, providers=providers)


@asynccontextmanager
async def full(own: OwnDatabase, table: str) -> AsyncIterator[None]:
    async with await psycopg.AsyncConnection.connect(own.owner_url, autocommit=True) as owner:
        await owner.execute(_FULL)
        await owner.execute(sql.SQL(_TRIGGER).format(sql.Identifier(table)))
        try:
            yield
        finally:
            await owner.execute("DROP FUNCTION full_disk CASCADE")


@asynccontextmanager
async def read_only(own: OwnDatabase) -> AsyncIterator[None]:
    """As after a failover to a server that only reads."""
    await asyncio.to_thread(_set_read_only, own, value="on")
    try:
        yield
    finally:
        await asyncio.to_thread(_set_read_only, own, value="off")


def _set_read_only(own: OwnDatabase, *, value: str) -> None:
    statement = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")
    with psycopg.connect(own.server.superuser_url, autocommit=True) as connection:
        connection.execute(statement.format(sql.Identifier(own.name), sql.SQL(value)))
    own.end_connections()


def _says_so(response: httpx.Response) -> bool:
    assert response.headers["content-type"] == "application/problem+json"
    assert "base/5" not in response.text
    return problem(response) == (503, "temporarily-unavailable") and int(response.headers["retry-after"]) > 0


async def _standing(cast: Cast) -> list[object]:
    account = cast.owner.account_id
    queries = (
        "SELECT id, step, outcome, changed_at FROM requests WHERE account_id = %s ORDER BY id",
        "SELECT id, status, version FROM credentials WHERE account_id = %s ORDER BY id",
        "SELECT number FROM audit_events WHERE account_id = %s ORDER BY number",
        "SELECT id FROM notices WHERE account_id = %s ORDER BY id",
        "SELECT audit_number, wrong_codes_in_a_row FROM accounts WHERE id = %s",
    )
    return [await select(cast.core, query, account) for query in queries]


@pytest.mark.parametrize("table", _AT_A_START)
async def test_a_start_that_cannot_be_written_is_refused_whole_and_accepted_when_there_is_room(
    cast: Cast, own: OwnDatabase, table: str
) -> None:
    body, before = {"name": "bot", "permissions": ["trade"]}, await _standing(cast)

    async with full(own, table):
        assert _says_so(await cast.owner.post("/api-keys", body, key="mine"))
        assert (await cast.owner.get("/api-keys")).status_code == 200
        assert await _standing(cast) == before

    accepted = await cast.owner.post("/api-keys", body, key="mine")
    await Flow(cast.owner, accepted.json()["id"], accepted.json()["workflow_id"]).until(
        lambda shown: shown["step"] == "two_factor_code"
    )


@pytest.mark.parametrize("table", _AT_A_CODE)
async def test_a_code_whose_effect_cannot_be_written_is_answered_503_and_counts_once_when_there_is_room(
    cast: Cast, own: OwnDatabase, table: str
) -> None:
    flow = await cast.owner.create_api_key()
    await settle(flow)
    code, before = await flow.code(), await _standing(cast)

    async with full(own, table):
        for _ in range(3):
            assert _says_so(await flow.enter_code(code, key="mine"))
        assert await _standing(cast) == before

    await eventually(lambda: flow.enter_code(code, key="mine"), lambda response: response.status_code == 200)
    assert await flow.step() == "secret_saved"
    rows = await select(cast.core, "SELECT count(*) FROM credentials WHERE account_id = %s", cast.owner.account_id)
    assert rows[0][0] == 1


async def test_a_deactivation_that_cannot_be_written_says_so_and_the_key_stays_as_it_was(
    cast: Cast, own: OwnDatabase
) -> None:
    key = await cast.owner.active_api_key()
    before = await _standing(cast)

    async with full(own, "credentials"):
        assert _says_so(await cast.owner.post(f"/api-keys/{key}/deactivations"))
        assert await _standing(cast) == before

    assert (await cast.owner.post(f"/api-keys/{key}/deactivations")).json()["status"] == "inactive"


async def _states(cast: Cast) -> tuple[int, dict[str, str]]:
    response = await cast.owner.http.get("/readyz")
    return response.status_code, dict(response.json())


@pytest.mark.prove
async def test_a_database_that_only_reads_is_named_and_shows_everything_and_heals_by_itself(
    cast: Cast, own: OwnDatabase
) -> None:
    flow = await cast.owner.create_api_key()
    async with read_only(own):
        assert (await flow.shown())["step"] == "two_factor_code"
        assert _says_so(await cast.owner.post("/fix-credentials", {"session_type": "trade"}))
        assert await _states(cast) == (200, {**_ALL_UP, "database": "read_only"})

    await eventually(lambda: _states(cast), lambda found: found == (200, _ALL_UP))
    await eventually(flow.enter_code, lambda response: response.status_code == 200)


async def test_a_database_whose_disk_is_full_is_named_by_those_who_met_it(cast: Cast, own: OwnDatabase) -> None:
    async with full(own, "requests"):
        await cast.owner.post("/fix-credentials", {"session_type": "trade"})
        assert await _states(cast) == (200, {**_ALL_UP, "database": "read_only"})

    await cast.owner.create_fix()
    await eventually(lambda: _states(cast), lambda found: found == (200, _ALL_UP))
