"""The builds of the workers as Temporal knows them (Worker Versioning): which is current, and who needs the others."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import BaseModel
from temporalio.api.deployment.v1 import RoutingConfig, WorkerDeploymentInfo
from temporalio.api.enums.v1 import RoutingConfigUpdateState, TaskQueueType, WorkerDeploymentVersionStatus
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeWorkerDeploymentRequest,
    DescribeWorkerDeploymentResponse,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

RPC_TIMEOUT = timedelta(seconds=10)
# Of themselves, or held.
STAYING = "TemporalWorkflowVersioningBehavior='Pinned'"
# A poll that finds nothing lasts a minute.
_POLLS_WITHIN = timedelta(minutes=2)
_IN_PROGRESS = RoutingConfigUpdateState.ROUTING_CONFIG_UPDATE_STATE_IN_PROGRESS
_Summary = WorkerDeploymentInfo.WorkerDeploymentVersionSummary


class Status(StrEnum):
    """What part a build has; ``draining`` until no open workflow is pinned to it, which Temporal sees after minutes."""

    CURRENT = "current"
    RAMPING = "ramping"
    DRAINING = "draining"
    DRAINED = "drained"
    NEW = "new"


_STATUS = {
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_CURRENT: Status.CURRENT,
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_RAMPING: Status.RAMPING,
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINING: Status.DRAINING,
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINED: Status.DRAINED,
}


class Build(BaseModel, frozen=True):
    """One build: its part, its share of new requests in percent, its workers, and the open workflows that need it.

    Those are what it ran last, without what will go on with another build by itself.
    """

    build_id: str
    status: Status
    percent: float
    since: datetime | None
    first_seen: datetime
    workers: int
    last_poll: datetime | None
    open_workflows: int

    @property
    def is_deserted(self) -> bool:
        """Whether workflows need it, or new ones would begin on it, and no worker of it is there."""
        return not self.workers and (self.open_workflows > 0 or self.percent > 0)

    @property
    def plight(self) -> str:
        """What to tell of a deserted one."""
        return f"No worker of {self.build_id} asks for work, and {self.open_workflows} open workflows wait for one."


class Deployment(BaseModel, frozen=True):
    """All builds, newest first, and what a change has to name so that no other is overwritten."""

    builds: tuple[Build, ...]
    token: bytes

    @property
    def current(self) -> Build | None:
        """The build on which new requests begin."""
        return self._with(Status.CURRENT)

    @property
    def ramping(self) -> Build | None:
        """The build on which a share of them begins."""
        return self._with(Status.RAMPING)

    def find(self, build_id: str) -> Build | None:
        """Return the build, or None where no worker of it was ever seen."""
        return next((each for each in self.builds if each.build_id == build_id), None)

    def _with(self, status: Status) -> Build | None:
        return next((each for each in self.builds if each.status is status), None)


@dataclass(frozen=True)
class _Polls:
    workers: int = 0
    last: datetime | None = None


@dataclass(frozen=True)
class Versions:
    """Looks at the builds of one deployment."""

    client: Client
    deployment: str
    task_queue: str

    async def read(self) -> Deployment | None:
        """Return all builds, or None where no worker with a build was ever seen; raises ``RPCError``."""
        described = await self._described()
        if described is None:
            return None
        info, polls = described.worker_deployment_info, await self._polls()
        builds = [
            await self._build(each, info.routing_config, polls.get(each.deployment_version.build_id, _Polls()))
            for each in info.version_summaries
        ]
        newest_first = sorted(builds, key=lambda each: each.first_seen, reverse=True)
        return Deployment(builds=tuple(newest_first), token=described.conflict_token)

    async def is_in_force(self) -> bool:
        """Tell whether all parts of Temporal know the routing; raises ``RPCError``."""
        described = await self._described()
        return described is None or described.worker_deployment_info.routing_config_update_state != _IN_PROGRESS

    def query(self, build_id: str) -> str:
        """Return what finds the open workflows whose last task this build did."""
        return f"ExecutionStatus='Running' AND TemporalWorkerDeploymentVersion='{self.deployment}:{build_id}'"

    async def _described(self) -> DescribeWorkerDeploymentResponse | None:
        request = DescribeWorkerDeploymentRequest(namespace=self.client.namespace, deployment_name=self.deployment)
        try:
            return await self.client.workflow_service.describe_worker_deployment(request, timeout=RPC_TIMEOUT)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return None

    async def _build(self, summary: _Summary, routing: RoutingConfig, polls: _Polls) -> Build:
        build_id = summary.deployment_version.build_id
        share = _share(build_id, routing)
        needing = self.query(build_id) if share else f"{self.query(build_id)} AND {STAYING}"
        open_workflows = await self.client.count_workflows(needing, rpc_timeout=RPC_TIMEOUT)
        return Build(
            build_id=build_id,
            status=_STATUS.get(summary.status, Status.NEW),
            percent=share,
            since=_moment(summary.routing_update_time),
            first_seen=summary.create_time.ToDatetime(tzinfo=UTC),
            workers=polls.workers,
            last_poll=polls.last,
            open_workflows=open_workflows.count,
        )

    async def _polls(self) -> dict[str, _Polls]:
        request = DescribeTaskQueueRequest(
            namespace=self.client.namespace,
            task_queue=TaskQueue(name=self.task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        answer = await self.client.workflow_service.describe_task_queue(request, timeout=RPC_TIMEOUT)
        found: dict[str, _Polls] = {}
        for poller in answer.pollers:
            if poller.deployment_options.deployment_name == self.deployment:
                before = found.get(poller.deployment_options.build_id, _Polls())
                found[poller.deployment_options.build_id] = _counted(before, _moment(poller.last_access_time))
        return found


def _counted(before: _Polls, at: datetime | None) -> _Polls:
    is_there = at is not None and at > datetime.now(UTC) - _POLLS_WITHIN
    moments = [each for each in (before.last, at) if each is not None]
    return _Polls(workers=before.workers + is_there, last=max(moments, default=None))


def _share(build_id: str, routing: RoutingConfig) -> float:
    if routing.ramping_deployment_version.build_id == build_id:
        return float(routing.ramping_version_percentage)
    if routing.current_deployment_version.build_id == build_id:
        return 100.0 - float(routing.ramping_version_percentage)
    return 0.0


def _moment(stamp: Timestamp) -> datetime | None:
    return stamp.ToDatetime(tzinfo=UTC) if stamp.seconds else None
