"""Health: what is ill is named, and what can work without it does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from uuid import uuid4

import httpx
from pydantic import SecretStr

from countersign.adapters.keyring import Purpose
from countersign.local.issuer import Issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.local.tcp_ports import free_port
from countersign.local.temporal_server import EmbeddedTemporal
from countersign.settings import Settings
from countersign.wiring import parts
from tests.support.cast import Cast, Flow, Providers
from tests.support.databases import OwnDatabase
from tests.support.stage import api_of
from tests.support.workers import working


@asynccontextmanager
async def temporal_at(port: int, database: Path) -> AsyncIterator[None]:
    with ExitStack() as stack:
        await asyncio.to_thread(stack.enter_context, EmbeddedTemporal(port=port, database=database).running())
        yield


async def test_a_living_process_says_so(http: httpx.AsyncClient) -> None:
    response = await http.get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "alive"})


async def test_with_everything_up_it_is_ready(cast: Cast) -> None:
    response = await cast.owner.http.get("/readyz")

    assert response.status_code == 200
    assert response.json() == {"database": "up", "keys": "up", "temporal": "up", "worker": "up"}


async def test_a_task_queue_that_nobody_serves_is_a_worker_that_is_down(settings: Settings) -> None:
    async with api_of(settings.model_copy(update={"task_queue": f"nobody-{uuid4()}"})) as client:
        response = await client.get("/readyz")

    assert response.status_code == 200
    assert response.json() == {"database": "up", "keys": "up", "temporal": "up", "worker": "down"}


async def test_without_the_database_it_is_not_ready_and_answers_503(cast: Cast, settings: Settings) -> None:
    nowhere = SecretStr(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    headers = {"Authorization": f"Bearer {cast.owner.token}"}
    async with api_of(settings.model_copy(update={"database_url": nowhere})) as client:
        alive, ready, read, start, cancel, metrics = await asyncio.gather(
            client.get("/healthz"),
            client.get("/readyz"),
            client.get("/v1/requests", headers=headers),
            client.post("/v1/fix-credentials", json={"session_type": "trade"}, headers=headers),
            client.delete(f"/v1/requests/{uuid4()}", headers=headers),
            client.get("/metrics"),
        )

    assert alive.status_code == 200
    assert (ready.status_code, ready.json()["database"], ready.json()["temporal"]) == (503, "down", "up")
    for response in (read, start, cancel):
        assert response.status_code == 503
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["retry-after"] == "2"
        assert "127.0.0.1" not in response.text
    assert metrics.status_code == 200
    assert "countersign_database_up 0.0" in metrics.text
    assert "countersign_open_requests{" not in metrics.text


async def test_while_temporal_is_down_reads_work_and_starts_are_accepted_and_begun_when_it_is_back(
    postgres: EmbeddedPostgres, settings: Settings, issuer: Issuer, providers: Providers, tmp_path: Path
) -> None:
    own = OwnDatabase.make_migrated(postgres)  # in a shared one, another worker's dispatcher would start it elsewhere
    port = free_port()
    changes = {
        "database_url": SecretStr(own.app_url),
        "temporal_address": f"127.0.0.1:{port}",
        "message_timeout_seconds": 1.0,
    }
    alone = settings.model_copy(update=changes)
    async with api_of(alone) as client:
        async with parts(alone, purposes=frozenset(Purpose), lazy=True) as core:
            owner = (await Cast.enter(core, http=client, issuer=issuer, providers=providers)).owner
        ready, accepted = await asyncio.gather(
            client.get("/readyz"), owner.post("/api-keys", {"name": "bot", "permissions": ["trade"]}, key="once")
        )
        flow = Flow(owner, accepted.json()["id"], accepted.json()["workflow_id"])
        early = await flow.enter_code("123456", key="early")

        assert (ready.status_code, ready.json()) == (
            200,
            {"database": "up", "keys": "up", "temporal": "down", "worker": "down"},
        )
        assert (accepted.status_code, accepted.json()["step"]) == (202, "starting")
        assert (await flow.shown())["waiting_for"] == "system"
        assert [each["id"] for each in (await owner.get("/requests")).json()] == [flow.id]
        assert (early.status_code, "retry-after" in early.headers) == (503, True)

        async with (
            temporal_at(port, tmp_path / "temporal.db"),
            parts(alone, purposes=frozenset(Purpose), lazy=False) as core,
            working(core),
        ):
            await flow.until(lambda shown: shown["step"] == "two_factor_code")
            assert (await flow.enter_code()).json()["step"] == "secret_saved"
            assert (await client.get("/readyz")).json()["temporal"] == "up"
