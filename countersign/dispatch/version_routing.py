"""Telling Temporal which build gets new requests, and waiting until all of its parts know."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from temporalio.api.workflowservice.v1 import (
    SetWorkerDeploymentCurrentVersionRequest,
    SetWorkerDeploymentRampingVersionRequest,
)
from temporalio.service import RPCError, RPCStatusCode

from countersign.dispatch.versions import RPC_TIMEOUT, Deployment, Versions
from countersign.domain.errors import DomainError

_REFUSALS = {RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.INVALID_ARGUMENT}
_TRIES = 10
_PAUSE_SECONDS = 0.5
_KNOWN_WITHIN_SECONDS = 10
_LOOK_SECONDS = 0.05


class VersionRefused(DomainError):
    """The build cannot be given this part."""

    slug = "version-refused"
    status = 409


@dataclass(frozen=True)
class Routing:
    """``identity`` is who is told to have done it; ``force`` is for builds that no worker polls for.

    Both calls return once the routing is in force everywhere, or after ten seconds, and raise ``VersionRefused``.
    """

    versions: Versions
    identity: str

    async def make_current(self, seen: Deployment, build_id: str, *, force: bool) -> None:
        """Let all new requests begin on the build."""
        request = SetWorkerDeploymentCurrentVersionRequest(build_id=build_id, **self._common(seen, force=force))
        service = self.versions.client.workflow_service
        await _taken(lambda: service.set_worker_deployment_current_version(request, timeout=RPC_TIMEOUT))
        await self._in_force()

    async def ramp(self, seen: Deployment, build_id: str, percent: float, *, force: bool) -> None:
        """Let a share of them begin on the build; on none for an empty one."""
        common = self._common(seen, force=force)
        request = SetWorkerDeploymentRampingVersionRequest(build_id=build_id, percentage=percent, **common)
        service = self.versions.client.workflow_service
        await _taken(lambda: service.set_worker_deployment_ramping_version(request, timeout=RPC_TIMEOUT))
        await self._in_force()

    def _common(self, seen: Deployment, *, force: bool) -> dict[str, Any]:
        return {
            "namespace": self.versions.client.namespace,
            "deployment_name": self.versions.deployment,
            "conflict_token": seen.token,
            "identity": self.identity,
            "ignore_missing_task_queues": force,
            "allow_no_pollers": force,
        }

    async def _in_force(self) -> None:
        # It is taken already: what takes longer than this comes by itself.
        with suppress(TimeoutError):
            await asyncio.wait_for(self._all_know(), _KNOWN_WITHIN_SECONDS)

    async def _all_know(self) -> None:
        while True:
            if await self.versions.is_in_force():
                return
            await asyncio.sleep(_LOOK_SECONDS)


async def _taken(change: Callable[[], Awaitable[object]]) -> None:
    for tries_left in reversed(range(_TRIES)):
        try:
            await change()
        except RPCError as error:
            if error.status not in _REFUSALS:
                raise
            # A worker that has only just come is known, and its task queues a moment later.
            if "task queue" not in error.message or not tries_left:
                raise VersionRefused(f"Temporal refuses: {error.message}") from None
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return
