"""An upgrade, rehearsed: requests that are open when the next release comes, or is taken back, all finish."""

import subprocess
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from temporalio.common import VersioningBehavior
from temporalio.workflow import _Definition as Definition

from activities.names import HOUSEKEEPING, RECONCILE
from countersign.checkup.findings import Level
from countersign.checkup.temporal import check_temporal
from countersign.dispatch import versions as looking
from countersign.dispatch.version_routing import VersionRefused
from countersign.dispatch.versions import Status
from countersign.domain.errors import NotFound
from countersign.domain.requests import Journey, Step
from countersign.local.issuer import Issuer
from countersign.local.temporal_server import temporal_command
from countersign.wiring import Parts
from tests.durability.next_release import NEXT_RELEASE
from tests.durability.rehearsing import (
    EVERYWHERE,
    FEW,
    SOME,
    WAITING,
    Rehearsal,
    build_of,
    builds_of,
    finish,
    moves_on,
    open_at,
    rehearsing,
)
from tests.support.cast import Flow, Providers
from tests.support.patience import eventually
from tests.support.recorded import RECORDED, turns
from tests.support.stage import settle
from workflows.journeys import WORKFLOWS
from workflows.versions import MOVE_ON

Places = list[tuple[Journey, Step]]
_HOW_MUCH = [
    pytest.param(SOME, id="at some steps"),
    pytest.param(EVERYWHERE, marks=pytest.mark.prove, id="at every step"),
]


@pytest.fixture
async def rehearsal(core: Parts, issuer: Issuer, providers: Providers) -> AsyncIterator[Rehearsal]:
    async with rehearsing(core, issuer=issuer, providers=providers) as opened:
        yield opened


async def _open(rehearsal: Rehearsal, places: Places) -> list[Flow]:
    return [await open_at(rehearsal.cast, *place) for place in places]


async def _finish(rehearsal: Rehearsal, flows: list[Flow]) -> set[str]:
    return {await finish(rehearsal.cast, flow) for flow in flows}


@pytest.mark.parametrize("places", _HOW_MUCH)
async def test_what_is_open_when_the_next_release_comes_finishes_and_so_does_what_begins_on_it(
    rehearsal: Rehearsal, places: Places
) -> None:
    async with rehearsal.working("1.0"):
        await rehearsal.changes.make_current("1.0")
        before = await _open(rehearsal, places)
        async with rehearsal.working("1.1", NEXT_RELEASE):
            await rehearsal.arrived("1.1")
            await rehearsal.changes.promote("1.1")
            begun = await _open(rehearsal, FEW)
            outcomes = await _finish(rehearsal, [*before, *begun])

    assert outcomes <= {"activated", "changed"}
    assert await builds_of(flow for flow in before if not moves_on(flow)) == {"1.0"}
    assert await builds_of(flow for flow in before if moves_on(flow)) == {"1.1"}
    assert await builds_of(begun) == {"1.1"}


@pytest.mark.parametrize("places", _HOW_MUCH)
async def test_what_is_open_when_a_release_is_taken_back_finishes_each_where_it_was(
    rehearsal: Rehearsal, places: Places
) -> None:
    async with rehearsal.working("1.0"):
        await rehearsal.changes.make_current("1.0")
        stayed, moved = await _open(rehearsal, FEW), await _open(rehearsal, WAITING)
        async with rehearsal.working("1.1", NEXT_RELEASE):
            await rehearsal.arrived("1.1")
            await rehearsal.changes.promote("1.1")
            await _do_a_task_on(moved[0], "1.1")
            begun = await _open(rehearsal, places)

            held = await rehearsal.changes.go_back("1.0")
            after = await _open(rehearsal, FEW)
            outcomes = await _finish(rehearsal, [*stayed, *moved, *begun, *after])
            newer = await rehearsal.find("1.1")

    assert held == len([flow for flow in [*moved, *begun] if moves_on(flow)])
    assert outcomes <= {"activated", "changed"}
    assert await builds_of([*stayed, *after]) == {"1.0"}
    assert await builds_of([*moved, *begun]) == {"1.1"}
    assert newer is not None
    assert (newer.status, newer.percent, newer.open_workflows) == (Status.DRAINING, 0, 0)


async def test_an_old_build_is_needed_by_what_stays_with_it_and_not_by_a_wait_that_will_leave_it(
    rehearsal: Rehearsal,
) -> None:
    async def needing() -> int:
        build = await rehearsal.find("1.0")
        return build.open_workflows if build else 0

    async with rehearsal.working("1.0"):
        await rehearsal.changes.make_current("1.0")
        [stays, _waits] = await _open(rehearsal, [(Journey.CREATE_API_KEY, Step.SECRET_SAVED), *WAITING])
        await eventually(needing, lambda found: found == 2)
        async with rehearsal.working("1.1"):
            await rehearsal.arrived("1.1")
            await rehearsal.changes.promote("1.1")
            await eventually(needing, lambda found: found == 1)
            await finish(rehearsal.cast, stays)
            await eventually(needing, lambda found: found == 0)


async def _do_a_task_on(flow: Flow, build: str) -> None:
    async def look() -> str:
        # The parts of the server learn one after the other which build is current.
        await flow.handle.signal("look_again")
        return await build_of(flow)

    await eventually(look, lambda found: found == build)


@pytest.mark.prove
async def test_what_was_held_goes_on_with_the_release_that_is_mended(rehearsal: Rehearsal) -> None:
    async with rehearsal.working("1.0"):
        await rehearsal.changes.make_current("1.0")
        async with rehearsal.working("1.1", NEXT_RELEASE):
            await rehearsal.arrived("1.1")
            await rehearsal.changes.promote("1.1")
            held = await open_at(rehearsal.cast, Journey.CREATE_FIX, Step.ACCOUNT_MANAGER)
            assert await rehearsal.changes.go_back("1.0") == 1
            query = f"{rehearsal.changes.versions.query('1.1')} AND TemporalWorkflowVersioningBehavior='Pinned'"
            await eventually(lambda: rehearsal.stage.core.client.count_workflows(query), lambda found: found.count == 1)
        async with rehearsal.working("1.2", NEXT_RELEASE):
            await rehearsal.arrived("1.2")
            assert await rehearsal.changes.promote("1.2") == 1

            assert await finish(rehearsal.cast, held) == "activated"
    assert await build_of(held) == "1.2"


@pytest.mark.prove
async def test_a_share_of_what_begins_goes_to_a_build_that_ramps_until_the_ramp_ends(rehearsal: Rehearsal) -> None:
    async with rehearsal.working("1.0"):
        await rehearsal.changes.make_current("1.0")
        async with rehearsal.working("1.1", NEXT_RELEASE):
            await rehearsal.arrived("1.1")
            await rehearsal.changes.ramp("1.1", 50)
            ramping = await rehearsal.find("1.1")
            assert ramping is not None
            assert (ramping.status, ramping.percent) == (Status.RAMPING, 50)
            begun = await _begun_on_both(rehearsal)

            await rehearsal.changes.end_ramp()
            after = await _open(rehearsal, SOME)
            by_build = {await build_of(flow): flow for flow in begun}
            first = [by_build["1.0"], by_build["1.1"]]
            assert await _finish(rehearsal, [*first, *after]) == {"activated"}

    assert [await build_of(flow) for flow in first] == ["1.0", "1.1"]
    assert await builds_of(after) == {"1.0"}


async def _begun_on_both(rehearsal: Rehearsal) -> list[Flow]:
    begun: list[Flow] = []
    while len(await builds_of(begun)) < 2:
        assert len(begun) < 40
        begun.append(await open_at(rehearsal.cast, Journey.CREATE_FIX, Step.TWO_FACTOR_CODE))
        await settle(begun[-1])
    return begun


async def test_what_began_on_workers_without_builds_goes_on_with_the_first_that_is_current(
    rehearsal: Rehearsal,
) -> None:
    async with rehearsal.stage.at_work():
        before = await _open(rehearsal, SOME)
        for flow in before:
            await settle(flow)
    async with rehearsal.working("1.0"):
        await rehearsal.changes.make_current("1.0")

        assert await _finish(rehearsal, before) == {"activated"}
    assert await builds_of(before) == {"1.0"}


async def test_a_build_that_nobody_saw_or_that_is_older_is_refused_with_what_to_do(rehearsal: Rehearsal) -> None:
    changes = rehearsal.changes
    with pytest.raises(NotFound, match="start one with COUNTERSIGN_BUILD_ID"):
        await changes.promote("1.0")
    async with rehearsal.working("1.0"):
        await rehearsal.arrived("1.0")
        with pytest.raises(VersionRefused, match=r"No build is current: countersign versions promote 1\.0"):
            await changes.ramp("1.0", 10)
        await changes.promote("1.0")
        with pytest.raises(NotFound, match=r"No worker of the build 1\.1 was ever seen"):
            await changes.promote("1.1")
        with pytest.raises(VersionRefused, match="is current: all new requests begin there already"):
            await changes.ramp("1.0", 10)
        with pytest.raises(VersionRefused, match="No build is ramping"):
            await changes.end_ramp()
        async with rehearsal.working("1.1"):
            await rehearsal.arrived("1.1")
            with pytest.raises(VersionRefused, match="is not older than the current build"):
                await changes.go_back("1.1")
            await changes.promote("1.1")
            with pytest.raises(VersionRefused, match=r"to go back: countersign versions back 1\.0"):
                await changes.promote("1.0")
            with pytest.raises(VersionRefused, match=r"to go back: countersign versions back 1\.0"):
                await changes.ramp("1.0", 10)


@pytest.mark.prove
async def test_a_request_whose_build_has_no_worker_stands_still_is_told_of_and_goes_on_with_another(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = rehearsal.stage.core.settings
    async with rehearsal.working("1.0"):
        await rehearsal.changes.make_current("1.0")
        here, there = await _open(rehearsal, [(Journey.CREATE_API_KEY, Step.ACTIVATION_CHOICE)] * 2)
        await settle(here)
        await settle(there)
    async with rehearsal.working("1.1"):
        await rehearsal.arrived("1.1")
        await rehearsal.changes.promote("1.1")
        monkeypatch.setattr(looking, "_POLLS_WITHIN", timedelta(seconds=1))
        assert (await here.choose("now")).status_code == 503
        faults = [each.told for each in await check_temporal(settings) if each.level is Level.FAULT]
        assert "No worker of 1.0 asks for work, and 2 open workflows wait for one." in faults

        _update_options(rehearsal, f"--workflow-id={here.workflow_id}")
        assert await finish(rehearsal.cast, here) == "activated"
    async with rehearsal.working("1.0"):
        assert await finish(rehearsal.cast, there) == "activated"

    assert (await build_of(here), await build_of(there)) == ("1.1", "1.0")


@pytest.mark.prove
async def test_all_requests_of_a_build_without_workers_are_moved_with_one_command(rehearsal: Rehearsal) -> None:
    async with rehearsal.working("1.0"):
        await rehearsal.changes.make_current("1.0")
        flows = await _open(rehearsal, SOME)
        for flow in flows:
            await settle(flow)
    async with rehearsal.working("1.1"):
        await rehearsal.arrived("1.1")
        await rehearsal.changes.promote("1.1")

        query = rehearsal.changes.versions.query("1.0")
        _update_options(rehearsal, "--query", query, "--yes", "--reason", "the workers of 1.0 are gone")

        assert await _finish(rehearsal, flows) == {"activated"}
    assert await builds_of(flows) == {"1.1"}


def _update_options(rehearsal: Rehearsal, *which: str) -> None:
    settings = rehearsal.stage.core.settings
    subprocess.run(
        (
            *(temporal_command(), "workflow", "update-options", "--address", settings.temporal_address, *which),
            *("--versioning-override-behavior", "pinned", "--versioning-override-build-id", "1.1"),
            *("--versioning-override-deployment-name", settings.deployment),
        ),
        check=True,
        capture_output=True,
    )


def test_rehearsed_are_all_journeys_at_all_steps_that_they_can_wait_at() -> None:
    recorded = {(turn.journey, turn.step) for file in RECORDED for turn in turns(file.read_text())}
    waits = {(journey, step) for journey, step in recorded if step is not Step.CLOSED}

    assert waits == set(EVERYWHERE)


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_each_workflow_says_whether_it_stays_with_its_build(workflow: type) -> None:
    definition = Definition.from_class(workflow)

    assert definition is not None
    moves = definition.name in {*MOVE_ON, HOUSEKEEPING, RECONCILE}
    assert definition.versioning_behavior is (VersioningBehavior.AUTO_UPGRADE if moves else VersioningBehavior.PINNED)
