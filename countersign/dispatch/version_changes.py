"""Changing which build gets new requests; and what must not follow is held where it is."""

import asyncio
import logging
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.deployment.v1 import WorkerDeploymentVersion
from temporalio.api.workflow.v1 import VersioningOverride, WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import (
    SetWorkerDeploymentCurrentVersionRequest,
    SetWorkerDeploymentRampingVersionRequest,
    UpdateWorkflowExecutionOptionsRequest,
)
from temporalio.client import Client
from temporalio.client import WorkflowExecution as Found
from temporalio.service import RPCError, RPCStatusCode

from countersign.dispatch.versions import RPC_TIMEOUT, Build, Deployment, Status, Versions
from countersign.domain.errors import DomainError, NotFound

_LOG = logging.getLogger(__name__)
_AT_ONCE = 20
_COMES_WITHIN_SECONDS = 60
_LOOK_SECONDS = 0.1
_MOVING = "TemporalWorkflowVersioningBehavior='AutoUpgrade'"
_PINNED = "TemporalWorkflowVersioningBehavior='Pinned'"
_TO_PIN = VersioningOverride.PinnedOverrideBehavior.PINNED_OVERRIDE_BEHAVIOR_PINNED
Answer = TypeVar("Answer")


class VersionRefused(DomainError):
    """The build cannot be given this part."""

    slug = "version-refused"
    status = 409


@dataclass(frozen=True)
class VersionChanges:
    """Changes what ``versions`` looks at; ``identity`` is who is told to have done it.

    ``moving`` are the workflow types that follow the current build by themselves. They cannot follow it back: what a
    newer build has added to a history, an older one cannot replay. So before a build loses requests, those that it ran
    are held with it, and a newer build lets them go on.
    """

    versions: Versions
    identity: str
    moving: tuple[str, ...]

    async def promote(self, build_id: str, *, force: bool = False) -> int:
        """Let all new requests begin on the build; what moves by itself follows, also what was held with an older one.

        Return how many were let go. ``force`` is for a build that no worker polls for. Raises ``NotFound`` and
        ``VersionRefused``.
        """
        seen, build = await self._find(build_id)
        if seen.current and seen.current.first_seen > build.first_seen:
            raise VersionRefused(
                f"{build_id} is older than {seen.current.build_id}, which is current; to go back: "
                f"countersign versions back {build_id}"
            )
        newer = _if_newer(seen.ramping, build)
        await self._hold_those_of(*newer)
        await self._make_current(seen, build_id, force=force)
        await self._hold_those_of(*newer)
        return await self._release(each for each in seen.builds if each.first_seen <= build.first_seen)

    async def go_back(self, build_id: str, *, force: bool = False, hold: bool = True) -> int:
        """Let all new requests begin on an older build; return how many were held with the newer ones.

        Without ``hold`` those that move by themselves go back too: for builds whose workflows are the same.
        """
        seen, build = await self._find(build_id)
        if seen.current is None or seen.current.first_seen <= build.first_seen:
            raise VersionRefused(
                f"{build_id} is not older than the current build: countersign versions promote {build_id}"
            )
        newer = [*_if_newer(seen.current, build), *_if_newer(seen.ramping, build)]
        held = 0
        if hold:
            held = await self._hold_those_of(*newer)
        await self._make_current(seen, build_id, force=force)
        if hold:
            # Those that began, or moved, in between.
            held += await self._hold_those_of(*newer)
        return held

    async def ramp(self, build_id: str, percent: float, *, force: bool = False) -> int:
        """Let a share of new requests begin on the build; return how many were held since the share became smaller."""
        seen, build = await self._find(build_id)
        if seen.current is None:
            raise VersionRefused(f"No build is current: countersign versions promote {build_id}")
        if seen.current.build_id == build_id:
            raise VersionRefused(f"{build_id} is current: all new requests begin there already.")
        losing = [build] if percent < build.percent else []
        if seen.ramping and seen.ramping.build_id != build_id:
            losing.append(seen.ramping)
        return await self._ramp(seen, build_id, percent, losing=losing, force=force)

    async def end_ramp(self) -> int:
        """Let all new requests begin on the current build; return how many were held with the one that ramped."""
        seen = await self.versions.read()
        if seen is None or seen.ramping is None:
            raise VersionRefused("No build is ramping.")
        return await self._ramp(seen, "", 0, losing=[seen.ramping], force=True)

    async def make_current(self, build_id: str) -> None:
        """Make a build current whose first worker has only just come, if it is not; raises ``TimeoutError``.

        For where there is one build alone: nothing is held, nothing asked.
        """
        async with asyncio.timeout(_COMES_WITHIN_SECONDS):
            seen, build = await self._await(build_id)
        if build.status is not Status.CURRENT:
            await self._make_current(seen, build_id, force=True)

    async def _ramp(self, seen: Deployment, build_id: str, percent: float, *, losing: list[Build], force: bool) -> int:
        held = await self._hold_those_of(*losing)
        request = SetWorkerDeploymentRampingVersionRequest(
            namespace=self._client.namespace,
            deployment_name=self.versions.deployment,
            build_id=build_id,
            percentage=percent,
            conflict_token=seen.token,
            identity=self.identity,
            ignore_missing_task_queues=force,
            allow_no_pollers=force,
        )
        await _taken(self._client.workflow_service.set_worker_deployment_ramping_version(request, timeout=RPC_TIMEOUT))
        return held + await self._hold_those_of(*losing)

    @property
    def _client(self) -> Client:
        return self.versions.client

    async def _find(self, build_id: str) -> tuple[Deployment, Build]:
        seen = await self.versions.read()
        build = seen.find(build_id) if seen else None
        if seen is None or build is None:
            raise NotFound(
                f"No worker of the build {build_id} was ever seen in the deployment {self.versions.deployment}: start "
                "one with COUNTERSIGN_BUILD_ID, or look for the right name with countersign versions show."
            )
        return seen, build

    async def _await(self, build_id: str) -> tuple[Deployment, Build]:
        while True:
            try:
                return await self._find(build_id)
            except NotFound:
                await asyncio.sleep(_LOOK_SECONDS)

    async def _make_current(self, seen: Deployment, build_id: str, *, force: bool) -> None:
        request = SetWorkerDeploymentCurrentVersionRequest(
            namespace=self._client.namespace,
            deployment_name=self.versions.deployment,
            build_id=build_id,
            conflict_token=seen.token,
            identity=self.identity,
            ignore_missing_task_queues=force,
            allow_no_pollers=force,
        )
        await _taken(self._client.workflow_service.set_worker_deployment_current_version(request, timeout=RPC_TIMEOUT))

    async def _hold_those_of(self, *builds: Build) -> int:
        held = 0
        for build in builds:
            version = WorkerDeploymentVersion(deployment_name=self.versions.deployment, build_id=build.build_id)
            pinned = VersioningOverride.PinnedOverride(behavior=_TO_PIN, version=version)
            options = WorkflowExecutionOptions(versioning_override=VersioningOverride(pinned=pinned))
            held += await self._override(f"{self.versions.query(build.build_id)} AND {_MOVING}", options)
        return held

    async def _release(self, builds: Iterable[Build]) -> int:
        types = ", ".join(f"'{each}'" for each in self.moving)
        held = f"{_PINNED} AND WorkflowType IN ({types})"
        queries = [f"{self.versions.query(each.build_id)} AND {held}" for each in builds]
        return sum([await self._override(query, WorkflowExecutionOptions()) for query in queries])

    async def _override(self, query: str, options: WorkflowExecutionOptions) -> int:
        turns = asyncio.Semaphore(_AT_ONCE)
        found = [each async for each in self._client.list_workflows(query)]
        return sum(await asyncio.gather(*(self._override_one(each, options, turns) for each in found)))

    async def _override_one(self, found: Found, options: WorkflowExecutionOptions, turns: asyncio.Semaphore) -> bool:
        request = UpdateWorkflowExecutionOptionsRequest(
            namespace=self._client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=found.id, run_id=found.run_id),
            workflow_execution_options=options,
            update_mask=FieldMask(paths=["versioning_override"]),
            identity=self.identity,
        )
        async with turns:
            try:
                await self._client.workflow_service.update_workflow_execution_options(request, timeout=RPC_TIMEOUT)
            except RPCError as error:
                # It ended meanwhile.
                if error.status not in {RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION}:
                    raise
                return False
        return True


def _if_newer(other: Build | None, build: Build) -> list[Build]:
    return [other] if other and other.first_seen > build.first_seen else []


async def _taken(change: Awaitable[Answer]) -> Answer:
    try:
        return await change
    except RPCError as error:
        if error.status not in {RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.INVALID_ARGUMENT}:
            raise
        # Temporal says why: no pollers, a task queue without any, another change in between.
        raise VersionRefused(f"Temporal refuses: {error.message}") from None
