"""(a) and (b), driven by the Temporal client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

from temporalio.client import Client, WorkflowHandle
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.service import RPCError, RPCStatusCode

from tests.bench.clocks import Laps
from tests.bench.floor import MESSAGE, MESSAGES, Commands, Told, sealed
from tests.bench.floor import Messages as Bare
from tests.bench.floor_worker import TASK_QUEUE
from tests.bench.providers import ON_ITS_WAY_SECONDS

_AWAITED = {"two_factor_code": "wait for the SMS", "activation_code": "wait for the mail"}


_SEARCH_ATTRIBUTES = TypedSearchAttributes(
    [
        SearchAttributePair(SearchAttributeKey.for_keyword("AccountId"), str(uuid4())),
        SearchAttributePair(SearchAttributeKey.for_keyword("CredentialKind"), "api_key"),
    ]
)
Handle = WorkflowHandle[Bare, None] | WorkflowHandle[Commands, str]


class Sent(asyncio.DatagramProtocol):
    """What the worker of the floor has sent, by workflow."""

    def __init__(self) -> None:
        self._sent: dict[str, asyncio.Queue[None]] = {}

    def datagram_received(self, data: bytes, _address: object) -> None:
        """Note one, as late as a message comes."""
        asyncio.get_running_loop().call_later(ON_ITS_WAY_SECONDS, self.of(data.decode()).put_nowait, None)

    def of(self, workflow_id: str) -> "asyncio.Queue[None]":
        """Return where the workflow's sends are noted."""
        return self._sent.setdefault(workflow_id, asyncio.Queue())

    def forget(self, workflow_id: str) -> None:
        """Note them no more."""
        self._sent.pop(workflow_id, None)


@asynccontextmanager
async def sent_on(port: int) -> AsyncIterator[Sent]:
    """Listen on ``port`` of loopback for the length of a block."""
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        Sent, local_addr=("127.0.0.1", port)
    )
    try:
        yield protocol
    finally:
        transport.close()


@dataclass(frozen=True)
class Engine:
    """Goes through flows of the floor; ``done`` holds the ids of the workflows of (b)."""

    client: Client
    sent: Sent
    done: list[str] = field(default_factory=list)

    async def messages(self) -> Laps:
        """Go through (a)."""
        laps = Laps()
        with laps.lap("start"):
            handle = await self.client.start_workflow(Bare.run, id=f"messages/{uuid4()}", task_queue=TASK_QUEUE)
        for message in MESSAGES:
            await self._tell(handle, message, laps)
        return laps

    async def commands(self) -> Laps:
        """Go through (b), waiting for both sends as a person would."""
        laps, workflow_id = Laps(), f"commands/{uuid4()}"
        sends = self.sent.of(workflow_id)
        with laps.lap("start"):
            handle = await self.client.start_workflow(
                Commands.run,
                sealed(f"request {uuid4()}"),
                id=workflow_id,
                task_queue=TASK_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                static_summary=sealed("commands: as long as the name of a key (trade)"),
                search_attributes=_SEARCH_ATTRIBUTES,
            )
        for message in MESSAGES:
            if message in _AWAITED:
                with laps.lap(_AWAITED[message]):
                    await sends.get()
            await self._tell(handle, message, laps)
        self.sent.forget(workflow_id)
        self.done.append(workflow_id)
        return laps

    async def _tell(self, handle: Handle, message: str, laps: Laps) -> None:
        told: Told = {"kind": message, "filling": MESSAGE}
        with laps.lap(message):
            await _until_taken(handle, message, told)


async def _until_taken(handle: Handle, message: str, told: Told) -> None:
    while True:
        try:
            await handle.execute_update(message, told, id=str(uuid4()), result_type=Told)
        except RPCError as error:
            # A workflow that ends while an activity's answer comes in fails its task, and the update with it.
            if error.status is not RPCStatusCode.FAILED_PRECONDITION:
                raise
        else:
            return
