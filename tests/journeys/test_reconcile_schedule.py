"""The schedule that has requests and workflows compared."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from temporalio.client import (
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from countersign.local.issuer import Issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.settings import Settings
from countersign.wiring import reconcile_schedule, reconciler
from tests.support.cast import Providers
from tests.support.databases import OwnDatabase
from tests.support.patience import eventually
from tests.support.stage import Stage, stage_of


@pytest.fixture
async def apart(
    postgres: EmbeddedPostgres, settings: Settings, issuer: Issuer, providers: Providers
) -> AsyncIterator[Stage]:
    own = settings.model_copy(update={"database_url": SecretStr(OwnDatabase.make_migrated(postgres).app_url)})
    async with stage_of(own, issuer=issuer, providers=providers) as stage:
        yield stage


@pytest.fixture
async def handle(apart: Stage) -> AsyncIterator[ScheduleHandle]:
    schedule = reconcile_schedule(apart.core)
    await schedule.keep()
    found = apart.core.client.get_schedule_handle(schedule.id)
    yield found
    await found.delete()


async def test_each_run_closes_the_requests_of_terminated_workflows(apart: Stage, handle: ScheduleHandle) -> None:
    async with apart.at_work():
        flow = await apart.cast.owner.create_fix()
        await flow.handle.terminate("a test")
        await eventually(reconciler(apart.core).find)

        await handle.trigger()

        assert await flow.outcome() == "cancelled"
        [run] = await eventually(lambda: finished(handle))
        result = await apart.core.client.get_workflow_handle(run).result()
        assert (run.startswith(f"{handle.id}-"), result) == (True, {"ended": 1})


async def finished(handle: ScheduleHandle) -> list[str]:
    actions = (await handle.describe()).info.recent_actions
    started: list[Any] = [each.action for each in actions]
    return [each.workflow_id for each in started]


async def test_it_runs_every_few_minutes_and_never_twice_at_once(apart: Stage, handle: ScheduleHandle) -> None:
    schedule = (await handle.describe()).schedule

    assert schedule.spec.intervals == [ScheduleIntervalSpec(every=timedelta(minutes=5))]
    assert schedule.policy.overlap is ScheduleOverlapPolicy.SKIP


async def test_every_worker_may_see_to_it_and_one_that_ops_paused_stays_paused(
    apart: Stage, handle: ScheduleHandle
) -> None:
    await handle.pause(note="looking into something")

    for _ in range(2):
        await reconcile_schedule(apart.core).keep()

    described = await handle.describe()
    assert (described.schedule.state.paused, described.schedule.state.note) == (True, "looking into something")


async def test_one_of_an_older_release_is_brought_up_to_date(apart: Stage, handle: ScheduleHandle) -> None:
    await handle.update(_hourly)

    await reconcile_schedule(apart.core).keep()

    intervals = (await handle.describe()).schedule.spec.intervals
    assert [each.every for each in intervals] == [timedelta(minutes=5)]


def _hourly(present: ScheduleUpdateInput) -> ScheduleUpdate:
    schedule = present.description.schedule
    return ScheduleUpdate(
        replace(schedule, spec=replace(schedule.spec, intervals=[ScheduleIntervalSpec(every=timedelta(hours=1))]))
    )


async def test_a_temporal_that_lost_it_gets_it_again(apart: Stage, handle: ScheduleHandle) -> None:
    await handle.delete()

    await reconcile_schedule(apart.core).keep()

    assert (await handle.describe()).schedule.spec.intervals
