"""The wait for an account manager has no end: it goes on in a new run when its history grows long."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from countersign.adapters.keyring import Purpose
from countersign.local.issuer import Issuer
from countersign.local.tcp_ports import free_port
from countersign.local.temporal_server import EmbeddedTemporal
from countersign.settings import Settings
from countersign.wiring import parts
from tests.support.cast import Flow, Person, Providers
from tests.support.fix import audit
from tests.support.processes import wait_until
from tests.support.rows import select
from tests.support.stage import Stage, ended, set_stage

_LONG = 30
_A_CODE = {"code": "000000", "reveal_challenge": "A" * 43}


@pytest.fixture(scope="module")
def short_of_history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedTemporal]:
    """A Temporal that suggests a new run after a few events."""
    server = EmbeddedTemporal(port=free_port())
    program = server.program()
    limit = ("--dynamic-config-value", f"limit.historyCount.suggestContinueAsNew={_LONG}")
    process = replace(program, command=(*program.command, *limit)).start(
        Path(tmp_path_factory.mktemp("temporal"), "log")
    )
    try:
        wait_until(server.is_ready)
        yield server
    finally:
        program.stop(process)


@pytest.fixture
async def stage(
    short_of_history: EmbeddedTemporal, settings: Settings, issuer: Issuer, providers: Providers
) -> AsyncIterator[Stage]:
    there = settings.model_copy(update={"temporal_address": short_of_history.address})
    async with (
        parts(there, purposes=frozenset(Purpose), lazy=False) as core,
        set_stage(core, issuer=issuer, providers=providers) as opened,
    ):
        yield opened


async def _run_id(flow: Flow) -> str:
    return str((await flow.handle.describe()).run_id)


async def _refused(flow: Flow, ops: Person) -> int:
    rows = await audit(flow.person, flow.id, seen_by=ops)
    return sum(row["event"] == "account-manager:decision-refused" for row in rows)


@pytest.mark.prove
async def test_a_wait_flooded_with_signals_and_updates_goes_on_in_new_runs_and_a_decision_still_works(
    stage: Stage,
) -> None:
    async with stage.at_work(chores=True):
        flow = await (await stage.cast.owner.create_fix()).to_account_manager()
        runs = {await _run_id(flow)}
        for number in range(12):
            await flow.handle.signal("account_manager_decision", {"statement": f"garbage {number}"})
            assert (await flow.post("/two-factor-code", _A_CODE)).status_code == 409
            runs.add(await _run_id(flow))
        manager = stage.cast.account_manager
        path = f"/account-manager/fix-credentials/{(await flow.shown())['name']}"
        version = (await manager.get(path)).json()["version"]
        decided = await manager.post(f"{path}/decision", {"decision": "activate", "version": version})

        assert decided.status_code == 200
        assert await ended(flow) == "activated"
    assert len(runs) >= 3
    # The trail tells of the first ten; all are counted.
    assert await _refused(flow, stage.cast.ops) == 10
    [[counted]] = await select(stage.core, "SELECT decisions_refused FROM requests WHERE id = %s", flow.id)
    assert counted == 12


@pytest.mark.prove
async def test_update_ids_of_an_earlier_run_get_their_first_answer_in_a_later_one(stage: Stage) -> None:
    async with stage.at_work():
        flow = await stage.cast.owner.create_api_key()
        first, before = await flow.enter_code("000000", key="first"), await _run_id(flow)
        while await _run_id(flow) == before:
            await flow.handle.signal("look_again")

        repeated = await flow.enter_code("000000", key="first")

        assert (repeated.status_code, repeated.json()) == (first.status_code, first.json())
        assert (await flow.shown())["attempts_left"] == 4
        await flow.to_secret()
