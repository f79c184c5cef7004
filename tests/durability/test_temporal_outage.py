"""While Temporal is away people read, begin and deactivate; what else they do is refused for now, and counts once."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from api import opening
from countersign.adapters.keyring import Purpose
from countersign.local.issuer import Issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.local.temporal_server import EmbeddedTemporal
from countersign.settings import Settings
from countersign.storage import database
from countersign.wiring import dispatcher, mail_sender, parts
from countersign.work_loop import run_worker
from tests.support.answers import problem, wrong_code
from tests.support.cast import Cast, Flow, Providers
from tests.support.databases import OwnDatabase
from tests.support.fix import execute, result_of
from tests.support.patience import eventually
from tests.support.proxy import Proxy
from tests.support.rows import select
from tests.support.stage import Stage, api_of, set_stage, settle

_ALL_UP = {"database": "up", "keys": "up", "temporal": "up", "worker": "up"}


@pytest.fixture
async def way(temporal: EmbeddedTemporal) -> AsyncIterator[Proxy]:
    """The only way to Temporal."""
    async with Proxy.to(temporal.port) as proxy:
        yield proxy


@pytest.fixture
async def cut_off(
    settings: Settings, postgres: EmbeddedPostgres, issuer: Issuer, providers: Providers, way: Proxy
) -> AsyncIterator[Stage]:
    """A stage that reaches Temporal by that way; no other dispatcher looks after its requests."""
    changes = {
        "database_url": SecretStr(OwnDatabase.make_migrated(postgres).app_url),
        "temporal_address": f"127.0.0.1:{way.port}",
        "message_timeout_seconds": 0.5,
    }
    async with (
        parts(settings.model_copy(update=changes), purposes=frozenset(Purpose), lazy=False) as own,
        set_stage(own, issuer=issuer, providers=providers) as stage,
    ):
        yield stage


def _refused_for_now(response: httpx.Response) -> bool:
    assert response.headers["content-type"] == "application/problem+json"
    return problem(response) == (503, "temporarily-unavailable") and int(response.headers["retry-after"]) > 0


@pytest.mark.prove
async def test_in_the_middle_of_journeys_nothing_is_lost_and_nothing_counts_twice(cut_off: Stage, way: Proxy) -> None:
    owner = cut_off.cast.owner
    async with cut_off.at_work(chores=True):
        flow, ended = await owner.create_api_key(), await (await owner.create_fix()).to_account_manager()
        wrong = await wrong_code(flow)
        await settle(flow)
        await way.cut()

        answers = await asyncio.gather(*(flow.enter_code(wrong, key="mine") for _ in range(2)))
        assert all(map(_refused_for_now, answers))
        assert _refused_for_now(await flow.cancel())
        assert (await flow.shown())["attempts_left"] == 5
        started = await owner.post("/fix-credentials", {"session_type": "market_data"}, key="start")
        assert (started.status_code, started.json()["step"]) == (202, "starting")
        credential = (await ended.shown())["credential_id"]
        deactivated = await owner.post(f"/fix-credentials/{credential}/deactivations")
        assert deactivated.json()["status"] == "inactive"
        ready = await owner.http.get("/readyz")
        assert (ready.status_code, ready.json()) == (200, {**_ALL_UP, "temporal": "down", "worker": "down"})

        await way.mend()
        again = [await _answered(flow, wrong) for _ in range(2)]
        assert [(problem(each), each.json()["attempts_left"]) for each in again] == [((422, "wrong-code"), 4)] * 2
        begun = Flow(owner, started.json()["id"], started.json()["workflow_id"])
        await begun.until(lambda shown: shown["step"] == "two_factor_code")
        assert await result_of(ended) == "superseded"
        await flow.to_secret()


async def _answered(flow: Flow, code: str) -> httpx.Response:
    return await _repeated(lambda: flow.enter_code(code, key="mine"))


async def _repeated(send: Any) -> httpx.Response:
    """Do what a client does with a 503: send the same again."""

    async def once() -> httpx.Response | None:
        response: httpx.Response = await send()
        return None if response.status_code == 503 else response

    found: httpx.Response = await eventually(once)
    return found


async def test_what_a_worker_could_not_tell_a_workflow_before_it_stopped_the_next_one_tells(
    cut_off: Stage, way: Proxy
) -> None:
    async with cut_off.at_work():
        flow = await (await cut_off.cast.owner.create_fix()).to_account_manager()
        credential = (await flow.shown())["credential_id"]
        await settle(flow)
    await cut_off.cast.owner.post(f"/fix-credentials/{credential}/deactivations")
    await way.cut()
    async with aclosing(mail_sender(cut_off.core.settings)) as mail:
        telling = asyncio.create_task(dispatcher(cut_off.core, mail).nudge())
        await eventually(lambda: select(cut_off.core, "SELECT 1 FROM requests WHERE nudged_at IS NOT NULL"))
        telling.cancel()
        await asyncio.wait([telling])

    await way.mend()
    await execute(cut_off.core, "UPDATE requests SET nudged_at = nudged_at - interval '15 seconds'")
    async with cut_off.at_work(chores=True):
        assert await result_of(flow) == "superseded"


async def test_a_start_waits_no_longer_for_an_answer_than_was_said(
    cut_off: Stage, way: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_START_TIMEOUT", timedelta(seconds=0.2))
    await way.cut()
    began = time.monotonic()

    started = await cut_off.cast.owner.post("/fix-credentials", {"session_type": "trade"})

    assert started.status_code == 202
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("status", [RPCStatusCode.RESOURCE_EXHAUSTED, RPCStatusCode.UNAVAILABLE])
async def test_a_temporal_whose_disk_or_quota_is_full_is_like_one_that_is_away(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, status: RPCStatusCode
) -> None:
    flow = await cast.owner.create_api_key()
    code = await flow.code()

    async def refuse(*_positional: Any, **_named: Any) -> None:
        raise RPCError("persistence is full: olivia@example.com", status, b"")

    with monkeypatch.context() as refusing:
        refusing.setattr(WorkflowHandle, "execute_update", refuse)
        refusing.setattr(Client, "start_workflow", refuse)
        refused = await flow.enter_code(code, key="mine")
        started = await cast.owner.post("/fix-credentials", {"session_type": "trade"})

    assert _refused_for_now(refused)
    assert "olivia" not in refused.text
    assert (started.status_code, started.json()["step"]) == (202, "starting")
    assert (await flow.enter_code(code, key="mine")).json()["step"] == "secret_saved"


@asynccontextmanager
async def _worker_process(settings: Settings) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(run_worker(settings))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("first", ["database", pytest.param("temporal", marks=pytest.mark.prove)])
async def test_api_and_worker_that_came_first_are_ready_by_themselves_when_the_others_come(
    settings: Settings,
    postgres: EmbeddedPostgres,
    issuer: Issuer,
    providers: Providers,
    way: Proxy,
    monkeypatch: pytest.MonkeyPatch,
    first: str,
) -> None:
    monkeypatch.setattr(database, "_WAIT_SECONDS", 0.5)
    async with Proxy.to(postgres.port) as way_to_database:
        url = OwnDatabase.make_migrated(postgres).app_url.replace(f":{postgres.port}/", f":{way_to_database.port}/")
        ways = {"database": way_to_database, "temporal": way}
        for each in ways.values():
            await each.cut()
        changes = {
            "database_url": SecretStr(url),
            "temporal_address": f"127.0.0.1:{way.port}",
            "task_queue": f"first-{uuid4()}",
        }
        alone = settings.model_copy(update=changes)
        async with api_of(alone) as http, _worker_process(alone) as worker:

            async def states() -> dict[str, str]:
                return dict((await http.get("/readyz")).json())

            assert await states() == dict.fromkeys(_ALL_UP, "down")
            await ways.pop(first).mend()
            await eventually(states, lambda found: found[first] == "up")
            [(second, last)] = ways.items()
            assert (await states())[second] == "down"
            await last.mend()
            await eventually(states, _ALL_UP.__eq__)
            assert not worker.done()
            async with parts(alone, purposes=frozenset(Purpose), lazy=True) as core:
                owner = (await Cast.enter(core, http=http, issuer=issuer, providers=providers)).owner
            await (await owner.create_api_key()).to_secret()
