"""The schedule in Temporal that has all requests compared with their workflows, every few minutes."""

from dataclasses import dataclass, replace
from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from activities.names import RECONCILE

_EVERY = timedelta(minutes=5)
_RPC_TIMEOUT = timedelta(seconds=10)


@dataclass(frozen=True)
class ReconcileSchedule:
    """One for each task queue; many workers may see to it, and Temporal runs it once."""

    client: Client
    task_queue: str

    @property
    def id(self) -> str:
        """The id of the schedule; its workflows' ids begin with it."""
        return f"{RECONCILE}/{self.task_queue}"

    async def keep(self) -> None:
        """Make the schedule where it is missing, else bring it up to date; one that ops paused stays paused.

        A Temporal that was restored, or began anew, has lost it.
        """
        try:
            await self.client.create_schedule(self.id, self._schedule(), rpc_timeout=_RPC_TIMEOUT)
        except ScheduleAlreadyRunningError:
            await self.client.get_schedule_handle(self.id).update(self._updated, rpc_timeout=_RPC_TIMEOUT)

    def _updated(self, present: ScheduleUpdateInput) -> ScheduleUpdate | None:
        kept, wanted = present.description.schedule, self._schedule()
        if kept.spec.intervals == wanted.spec.intervals and kept.policy == wanted.policy:
            return None
        return ScheduleUpdate(replace(wanted, state=kept.state))

    def _schedule(self) -> Schedule:
        # No input, no summary: what is encrypted is bound to a workflow's id, and each run gets another one.
        return Schedule(
            action=ScheduleActionStartWorkflow(RECONCILE, id=self.id, task_queue=self.task_queue),
            spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=_EVERY)]),
            policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=_EVERY),
        )
