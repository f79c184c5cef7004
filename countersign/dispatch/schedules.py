"""The schedules in Temporal: what runs by itself, once however many workers there are."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from activities.names import HOUSEKEEPING, RECONCILE

_RPC_TIMEOUT = timedelta(seconds=10)


@dataclass(frozen=True)
class Rhythm:
    """When a workflow is started; a start that was missed is made up for within ``catch_up``."""

    catch_up: timedelta
    every: timedelta | None = None
    daily_at: tuple[int, int] | None = None
    jitter: timedelta = field(default=timedelta(0))

    @property
    def spec(self) -> ScheduleSpec:
        """The same, as Temporal takes it; ``daily_at`` is hour and minute (UTC)."""
        intervals = [ScheduleIntervalSpec(every=self.every)] if self.every else []
        calendars = []
        if self.daily_at is not None:
            hour, minute = self.daily_at
            calendars = [ScheduleCalendarSpec(hour=[ScheduleRange(hour)], minute=[ScheduleRange(minute)])]
        return ScheduleSpec(intervals=intervals, calendars=calendars, jitter=self.jitter or None)


RHYTHMS = {
    RECONCILE: Rhythm(every=timedelta(minutes=5), catch_up=timedelta(minutes=5)),
    # When the fewest customers are awake. A day that was missed is not: the next one finds what is left.
    HOUSEKEEPING: Rhythm(daily_at=(3, 20), jitter=timedelta(minutes=30), catch_up=timedelta(hours=6)),
}


@dataclass(frozen=True)
class Schedules:
    """One of each for each task queue; many workers may see to them, and Temporal runs each once at a time."""

    client: Client
    task_queue: str

    def id_of(self, workflow: str) -> str:
        """Return the id of the schedule that starts these workflows; their ids begin with it."""
        return f"{workflow}/{self.task_queue}"

    async def keep(self) -> None:
        """Make what schedules are missing, and bring the others up to date; one that ops paused stays paused.

        A Temporal that was restored, or began anew, has lost them.
        """
        for workflow in RHYTHMS:
            await self._keep(workflow)

    async def _keep(self, workflow: str) -> None:
        wanted = self._schedule(workflow)
        try:
            await self.client.create_schedule(self.id_of(workflow), wanted, rpc_timeout=_RPC_TIMEOUT)
        except ScheduleAlreadyRunningError:
            handle = self.client.get_schedule_handle(self.id_of(workflow))
            await handle.update(lambda present: _updated(present, wanted), rpc_timeout=_RPC_TIMEOUT)

    def _schedule(self, workflow: str) -> Schedule:
        rhythm = RHYTHMS[workflow]
        # No input, no summary: what is encrypted is bound to a workflow's id, and each run gets another one.
        return Schedule(
            action=ScheduleActionStartWorkflow(workflow, id=self.id_of(workflow), task_queue=self.task_queue),
            spec=rhythm.spec,
            policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=rhythm.catch_up),
        )


def _updated(present: ScheduleUpdateInput, wanted: Schedule) -> ScheduleUpdate | None:
    kept = present.description.schedule
    if _rhythm(kept) == _rhythm(wanted):
        return None
    return ScheduleUpdate(replace(wanted, state=kept.state))


def _rhythm(schedule: Schedule) -> tuple[object, ...]:
    # Temporal fills in what a calendar leaves open: only what is set here is compared.
    times = [[each.start for each in (*day.hour, *day.minute)] for day in schedule.spec.calendars]
    return schedule.spec.intervals, times, schedule.spec.jitter or timedelta(0), schedule.policy
