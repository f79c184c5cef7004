"""What runs by itself in Temporal: requests compared with workflows, and housekeeping."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from temporalio.client import (
    ScheduleDescription,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from activities.names import HOUSEKEEPING, RECONCILE
from countersign.dispatch.schedules import RHYTHMS
from countersign.local.issuer import Issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.settings import Settings
from countersign.wiring import reconciler, schedules
from tests.support.cast import Providers
from tests.support.databases import OwnDatabase
from tests.support.patience import eventually
from tests.support.rows import change, select
from tests.support.stage import Stage, stage_of

EACH = pytest.mark.parametrize("workflow", RHYTHMS)


@pytest.fixture
async def apart(
    postgres: EmbeddedPostgres, settings: Settings, issuer: Issuer, providers: Providers
) -> AsyncIterator[Stage]:
    own = settings.model_copy(update={"database_url": SecretStr(OwnDatabase.make_migrated(postgres).app_url)})
    async with stage_of(own, issuer=issuer, providers=providers) as stage:
        yield stage


@pytest.fixture
async def kept(apart: Stage) -> AsyncIterator[dict[str, ScheduleHandle]]:
    """The schedules, by the workflow that each starts."""
    keeping = schedules(apart.core)
    await keeping.keep()
    found = {workflow: apart.core.client.get_schedule_handle(keeping.id_of(workflow)) for workflow in RHYTHMS}
    yield found
    for handle in found.values():
        await handle.delete()


async def result_of_a_run(apart: Stage, handle: ScheduleHandle) -> Any:
    await handle.trigger()
    [run] = await eventually(lambda: started(handle))
    assert run.startswith(f"{handle.id}-")
    return await apart.core.client.get_workflow_handle(run).result()


async def started(handle: ScheduleHandle) -> list[str]:
    actions = (await handle.describe()).info.recent_actions
    found: list[Any] = [each.action for each in actions]
    return [each.workflow_id for each in found]


async def test_each_comparison_closes_the_requests_of_terminated_workflows(
    apart: Stage, kept: dict[str, ScheduleHandle]
) -> None:
    async with apart.at_work():
        flow = await apart.cast.owner.create_fix()
        await flow.handle.terminate("a test")
        await eventually(reconciler(apart.core).find)

        result = await result_of_a_run(apart, kept[RECONCILE])

        assert (await flow.outcome(), result) == ("cancelled", {"ended": 1})


async def test_each_round_of_housekeeping_removes_what_is_over_and_old_and_tells_how_much(
    apart: Stage, kept: dict[str, ScheduleHandle]
) -> None:
    async with apart.at_work():
        old, young = [await apart.cast.owner.create_api_key(name) for name in ("old", "young")]
        for flow in (old, young):
            await flow.cancel()
        await change(apart.core, "UPDATE requests SET closed_at = now() - interval '401 days' WHERE id = %s", old.id)

        result = await result_of_a_run(apart, kept[HOUSEKEEPING])

        assert result["removed"] == {"requests": 1, "challenges": 1, "code_sends": 1, "message_verdicts": 1}
        assert [str(left) for (left,) in await select(apart.core, "SELECT id FROM requests")] == [young.id]


async def test_a_removed_request_is_not_found_and_its_idempotency_key_stands_for_a_new_one(
    apart: Stage, kept: dict[str, ScheduleHandle]
) -> None:
    form = {"name": "bot", "permissions": ["trade"]}
    async with apart.at_work():
        flow = await apart.cast.owner.begin("/api-keys", form, key="once")
        await flow.cancel()
        await change(apart.core, "UPDATE requests SET closed_at = now() - interval '401 days' WHERE id = %s", flow.id)
        await result_of_a_run(apart, kept[HOUSEKEEPING])

        answer = await apart.cast.owner.get(f"/requests/{flow.id}")
        again = await apart.cast.owner.post("/api-keys", form, key="once")

    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (404, "not-found")
    assert answer.json()["detail"] == "There is no such request here; one that ended long ago has been removed."
    assert (again.status_code, again.json()["id"] != flow.id) == (202, True)
    events = (await apart.cast.owner.get("/audit-events")).json()
    assert flow.id in {event["request_id"] for event in events}
    assert flow.id not in {request["id"] for request in (await apart.cast.owner.get("/requests")).json()}


async def test_one_runs_every_few_minutes_the_other_at_a_quiet_hour_and_neither_twice_at_once(
    apart: Stage, kept: dict[str, ScheduleHandle]
) -> None:
    found = {workflow: (await handle.describe()).schedule for workflow, handle in kept.items()}

    assert found[RECONCILE].spec.intervals == [ScheduleIntervalSpec(every=timedelta(minutes=5))]
    [daily] = found[HOUSEKEEPING].spec.calendars
    assert ([each.start for each in daily.hour], [each.start for each in daily.minute]) == ([3], [20])
    assert found[HOUSEKEEPING].spec.jitter == timedelta(minutes=30)
    assert {each.policy.overlap for each in found.values()} == {ScheduleOverlapPolicy.SKIP}


@EACH
async def test_every_worker_may_see_to_it_and_one_that_ops_paused_stays_paused(
    apart: Stage, kept: dict[str, ScheduleHandle], workflow: str
) -> None:
    await kept[workflow].pause(note="looking into something")
    before = await kept[workflow].describe()

    for _ in range(2):
        await schedules(apart.core).keep()

    described = await kept[workflow].describe()
    assert (described.schedule.state.paused, described.schedule.state.note) == (True, "looking into something")
    assert updated(described) == updated(before)


def updated(described: ScheduleDescription) -> Any:
    """Return what moves on with each change of a schedule."""
    return described.raw_description.conflict_token


@EACH
async def test_one_of_an_older_release_is_brought_up_to_date(
    apart: Stage, kept: dict[str, ScheduleHandle], workflow: str
) -> None:
    before = (await kept[workflow].describe()).schedule.spec
    await kept[workflow].update(_hourly)

    await schedules(apart.core).keep()

    after = (await kept[workflow].describe()).schedule.spec
    assert (after.intervals, after.calendars, after.jitter) == (before.intervals, before.calendars, before.jitter)


def _hourly(present: ScheduleUpdateInput) -> ScheduleUpdate:
    schedule = present.description.schedule
    hourly = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(hours=1))])
    return ScheduleUpdate(replace(schedule, spec=hourly))


@EACH
async def test_a_temporal_that_lost_it_gets_it_again(
    apart: Stage, kept: dict[str, ScheduleHandle], workflow: str
) -> None:
    await kept[workflow].delete()

    await schedules(apart.core).keep()

    spec = (await kept[workflow].describe()).schedule.spec
    assert spec.intervals or spec.calendars
