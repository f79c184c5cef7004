"""Workflows that move from build to build by themselves: held where they are, and let go."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.deployment.v1 import WorkerDeploymentVersion
from temporalio.api.workflow.v1 import VersioningOverride, WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import UpdateWorkflowExecutionOptionsRequest
from temporalio.client import Client
from temporalio.client import WorkflowExecution as Found
from temporalio.service import RPCError, RPCStatusCode

from countersign.dispatch.versions import RPC_TIMEOUT, STAYING, Build, Versions

_AT_ONCE = 20
_MOVING = "TemporalWorkflowVersioningBehavior='AutoUpgrade'"
_TO_PIN = VersioningOverride.PinnedOverrideBehavior.PINNED_OVERRIDE_BEHAVIOR_PINNED


@dataclass(frozen=True)
class Holding:
    """``moving`` are the types of those workflows."""

    versions: Versions
    identity: str
    moving: tuple[str, ...]

    @property
    def _client(self) -> Client:
        return self.versions.client

    async def hold(self, builds: Iterable[Build]) -> frozenset[str]:
        """Pin to each build what it ran last; return the workflows' ids."""
        held: frozenset[str] = frozenset()
        for build in builds:
            version = WorkerDeploymentVersion(deployment_name=self.versions.deployment, build_id=build.build_id)
            pinned = VersioningOverride.PinnedOverride(behavior=_TO_PIN, version=version)
            options = WorkflowExecutionOptions(versioning_override=VersioningOverride(pinned=pinned))
            held |= await self._override(f"{self.versions.query(build.build_id)} AND {_MOVING}", options)
        return held

    async def let_go(self, builds: Iterable[Build]) -> frozenset[str]:
        """Let what was held with these builds follow the current one again; return the workflows' ids."""
        types = ", ".join(f"'{each}'" for each in self.moving)
        held = f"{STAYING} AND WorkflowType IN ({types})"
        let_go: frozenset[str] = frozenset()
        for build in builds:
            query = f"{self.versions.query(build.build_id)} AND {held}"
            let_go |= await self._override(query, WorkflowExecutionOptions())
        return let_go

    async def _override(self, query: str, options: WorkflowExecutionOptions) -> frozenset[str]:
        turns = asyncio.Semaphore(_AT_ONCE)
        found = [each async for each in self._client.list_workflows(query)]
        done = await asyncio.gather(*(self._override_one(each, options, turns) for each in found))
        return frozenset(each.id for each, is_done in zip(found, done, strict=True) if is_done)

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
