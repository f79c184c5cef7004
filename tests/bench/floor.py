"""What the engine takes by itself: the messages of a creation alone, and the commands of one with empty effects."""

import asyncio
import socket
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy

MESSAGES = ("two_factor_code", "secret_saved", "activate", "activation_code")
_SENT_BY = "activate"
SEND = "send"
_TIMER = timedelta(minutes=30)
Told = dict[str, Any]
# Nonce, tag, and the metadata that names cipher, key and workflow.
_SEALING = "x" * 214


def sealed(text: str) -> str:
    """Return a text as long as ours is when it is encrypted."""
    return text + _SEALING


# As long as a message of a creation, the verdict on it, and what names a send.
MESSAGE, _VERDICT, _REFERENCE = (sealed("x" * length) for length in (110, 240, 50))


class _Steps:
    """Takes the four messages in turn."""

    def __init__(self) -> None:
        self._taken = 0

    @workflow.update
    async def two_factor_code(self, told: Told) -> Told:
        """Take the first message."""
        return await self._take(told)

    @workflow.update
    async def secret_saved(self, told: Told) -> Told:
        """Take the second message."""
        return await self._take(told)

    @workflow.update
    async def activate(self, told: Told) -> Told:
        """Take the third message."""
        return await self._take(told)

    @workflow.update
    async def activation_code(self, told: Told) -> Told:
        """Take the last message."""
        return await self._take(told)

    async def _take(self, told: Told) -> Told:
        self._taken += 1
        return told

    async def _wait(self) -> None:
        await workflow.wait_condition(lambda: self._taken == len(MESSAGES))
        await workflow.wait_condition(workflow.all_handlers_finished)


@workflow.defn(name="floor-messages")
class Messages(_Steps):
    """(a): the messages and nothing else."""

    @workflow.run
    async def run(self) -> None:
        """Return when all have come."""
        await self._wait()


@workflow.defn(name="floor-commands")
class Commands(_Steps):
    """(b): the commands of a creation (local activities, timer, sends, a patch), their effects empty."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()

    @workflow.run
    async def run(self, start: str) -> str:  # noqa: ARG002 - a creation has one
        """Return when all have come."""
        await self._effect({}, "begin")
        self._beside(self._send())
        if workflow.patched("as-the-journeys-have-one"):
            summary = sealed("two_factor_code: runs out, unless it is over by then")
            self._beside(workflow.sleep(_TIMER, summary=summary))
        await self._wait()
        return sealed("activated")

    async def _take(self, told: Told) -> Told:
        async with self._lock:
            answer = await self._effect(told, str(told["kind"]))
            workflow.set_current_details("**bench** waits.\n\nStep: `next`")
        if told["kind"] == _SENT_BY:
            self._beside(self._send())
        return await super()._take(answer)

    async def _effect(self, told: Told, summary: str) -> Told:
        return await workflow.execute_local_activity(
            effect,
            told,
            start_to_close_timeout=timedelta(seconds=5),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=2),
            summary=sealed(summary),
        )

    async def _send(self) -> None:
        await workflow.execute_activity(
            SEND,
            {"workflow_id": workflow.info().workflow_id, "filling": _REFERENCE},
            start_to_close_timeout=timedelta(seconds=15),
            schedule_to_close_timeout=timedelta(minutes=5),
            retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=20)),
            summary=sealed("send the code"),
        )

    def _beside(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)


@activity.defn
async def effect(told: Told) -> Told:
    """Do nothing; the answer is as long as a verdict."""
    return {**told, "filling": _VERDICT}


@dataclass(frozen=True)
class Sender:
    """Sends nothing, and tells the driver that it has: the code of (c) reaches whoever waits for it, too."""

    driver: socket.socket

    @classmethod
    def to(cls, port: int) -> "Sender":
        """Return one that tells whoever listens for datagrams on ``port`` of loopback."""
        driver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        driver.connect(("127.0.0.1", port))
        return cls(driver)

    @activity.defn(name=SEND)
    async def send(self, told: Told) -> str:
        """Tell the driver."""
        self.driver.send(str(told["workflow_id"]).encode())
        return sealed("true")
