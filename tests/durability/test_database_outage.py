"""While the database is away everything waits; when it is back, everything goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from pydantic import SecretStr
from temporalio.worker import Replayer

from countersign.adapters.keyring import Purpose
from countersign.adapters.message_guard import MessageGuard
from countersign.domain.messages import Actor, ActorKind, TwoFactorCode, Verdict
from countersign.local.issuer import Issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.settings import Settings
from countersign.storage import database
from countersign.wiring import parts
from tests.support import sandbox
from tests.support.cast import Flow, Providers
from tests.support.histories import Line, read_history
from tests.support.patience import eventually
from tests.support.proxy import Proxy
from tests.support.stage import Stage, set_stage
from workflows import storage_steps
from workflows.journeys import JOURNEYS

# How long a try may take, and when it gives up by itself (s): it fails, or it hangs; last as in production.
_TRIES = [(2, 0.2), (0.3, 3), pytest.param(5, 3, marks=pytest.mark.prove)]


@asynccontextmanager
async def _stage_behind(proxy: Proxy, settings: Settings, issuer: Issuer, providers: Providers) -> AsyncIterator[Stage]:
    url = settings.database_url.get_secret_value().replace(f":{proxy.target}/", f":{proxy.port}/")
    behind = settings.model_copy(update={"database_url": SecretStr(url)})
    async with (
        parts(behind, purposes=frozenset(Purpose), lazy=False) as own,
        set_stage(own, issuer=issuer, providers=providers) as stage,
    ):
        yield stage


async def _replay(stage: Stage, flow: Flow) -> None:
    """Do again what a worker does that takes the workflow over; raises when it would act otherwise."""
    client = stage.core.client
    replayer = Replayer(
        workflows=JOURNEYS,
        namespace=client.namespace,
        data_converter=client.data_converter,
        workflow_runner=sandbox.sandboxed(),
        interceptors=[MessageGuard()],
    )
    await replayer.replay_workflow(await flow.handle.fetch_history())


async def _history(stage: Stage, flow: Flow) -> list[Line]:
    return await read_history(stage.core.client, stage.core.keys, flow.workflow_id)


async def _until_it_waits_for_the_database(stage: Stage, flow: Flow) -> None:
    async def waits() -> bool:
        return any("await_storage" in line.text for line in await _history(stage, flow))

    await eventually(waits)


@pytest.mark.parametrize(("one_try", "gives_up"), _TRIES)
async def test_a_code_sent_during_an_outage_waits_for_its_end_and_is_never_an_activitys_argument(
    settings: Settings,
    postgres: EmbeddedPostgres,
    issuer: Issuer,
    providers: Providers,
    monkeypatch: pytest.MonkeyPatch,
    one_try: float,
    gives_up: float,
) -> None:
    monkeypatch.setattr(database, "_WAIT_SECONDS", gives_up)
    monkeypatch.setattr(storage_steps, "_ONE_TRY", timedelta(seconds=one_try))
    monkeypatch.setattr(sandbox, "PASSED_THROUGH", (*sandbox.PASSED_THROUGH, "workflows.storage_steps"))
    async with (
        Proxy.to(postgres.port) as proxy,
        _stage_behind(proxy, settings, issuer, providers) as stage,
        stage.at_work(),
    ):
        flow = await stage.cast.owner.create_api_key()
        code = await flow.code()
        await proxy.cut()
        asked = asyncio.create_task(_ask(flow, code))
        await _until_it_waits_for_the_database(stage, flow)
        assert not asked.done()

        await proxy.mend()
        verdict = await asyncio.wait_for(asked, 20)

        assert (verdict.problem, verdict.state.step) == (None, "secret_saved")
        await _replay(stage, flow)
        told = [line for line in await _history(stage, flow) if code in line.text]
        assert [line.kind for line in told] == ["WORKFLOW_EXECUTION_UPDATE_ACCEPTED"]


async def test_the_api_answers_503_while_the_database_is_away_and_heals_by_itself(
    settings: Settings,
    postgres: EmbeddedPostgres,
    issuer: Issuer,
    providers: Providers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database, "_WAIT_SECONDS", 0.3)
    async with Proxy.to(postgres.port) as proxy, _stage_behind(proxy, settings, issuer, providers) as stage:
        owner = stage.cast.owner
        await proxy.cut()
        for response in (
            await owner.get("/api-keys"),
            await owner.post("/api-keys", {"name": "bot", "permissions": []}, key="mine"),
        ):
            assert response.status_code == 503
            assert response.headers["content-type"] == "application/problem+json"
            assert int(response.headers["retry-after"]) > 0

        await proxy.mend()
        await _until_it_answers(stage)

        assert (await owner.get("/requests")).json() == []


async def _until_it_answers(stage: Stage) -> None:
    async def answers() -> bool:
        return (await stage.cast.owner.get("/api-keys")).status_code == 200

    await eventually(answers)


async def _ask(flow: Flow, code: str) -> Verdict:
    actor = Actor(kind=ActorKind.USER, user_id=flow.person.id)
    message = TwoFactorCode(actor=actor, code=code, reveal_challenge=flow.challenge)
    verdict: Verdict = await flow.handle.execute_update(message.kind, message, result_type=Verdict)
    return verdict
