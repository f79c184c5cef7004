"""A workflow and its request: the state it follows, and the codes that it has sent.

The database is the judge of every message and the keeper of the step; a workflow adopts what it answers, so that
workflow and database can be apart only for as long as no message, deadline or nudge arrives.
"""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from activities.names import APPLY_MESSAGE, BEGIN_REQUEST, GIVE_UP_SENDING, READ_STATE, SEND_CODE
from countersign.domain.messages import AnyMessage, Envelope, RequestAt, RequestState, SendRef, StartRequest, Verdict
from countersign.domain.requests import Step
from workflows.counting import count_begun, count_step
from workflows.details import details
from workflows.storage_steps import StepFails, storage_step

PAUSE = timedelta(minutes=1)


class Following:
    """What a workflow knows of its request."""

    def __init__(self, start: StartRequest) -> None:
        self._request_id = start.request_id
        self._state: RequestState | None = None
        self._step_since = workflow.now()
        # Handlers await the database: without the lock, two messages could adopt their states in the wrong order.
        self._lock = asyncio.Lock()
        self._sending: set[tuple[str, int]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self) -> None:
        """Take the request to its first step, or find it where it stands."""
        while self._state is None:
            try:
                arg = RequestAt(request_id=self._request_id, at=workflow.now())
                self._adopt(await storage_step(BEGIN_REQUEST, arg, summary="begin"))
                count_begun(self._known.journey)
            except StepFails:
                await workflow.sleep(PAUSE, summary="wait until ops have mended it")

    async def _look_again(self) -> None:
        await self._begun()
        with suppress(StepFails):
            async with self._lock:
                arg = RequestAt(request_id=self._request_id, at=workflow.now())
                self._adopt(await storage_step(READ_STATE, arg, summary="look again"))

    async def _insist(self, message: AnyMessage, *, key: str) -> Verdict | None:
        """Deliver what nobody would send again; None when the request ended meanwhile."""
        at = workflow.now()
        while self._state is None or not self._now_at(Step.CLOSED):
            try:
                return await self._deliver(message, key=key, at=at)
            except StepFails:
                with suppress(TimeoutError):
                    await workflow.wait_condition(lambda: self._now_at(Step.CLOSED), timeout=PAUSE)
        return None

    async def _deliver(self, message: AnyMessage, *, key: str, at: datetime) -> Verdict:
        await self._begun()
        async with self._lock:
            envelope = Envelope(request_id=self._request_id, key=key, at=at, message=message)
            verdict = await storage_step(APPLY_MESSAGE, envelope, summary=message.kind)
            self._adopt(verdict.state)
        return verdict

    async def _begun(self) -> None:
        # Waiting takes a turn of the event loop even when there is nothing to wait for, and a deadline that comes
        # in the same task could then take the lock first.
        if self._state is None:
            await workflow.wait_condition(lambda: self._state is not None)

    def _now_at(self, step: Step) -> bool:
        return self._known.step is step

    @property
    def _known(self) -> RequestState:
        if self._state is None:
            raise RuntimeError("begin() comes first")
        return self._state

    def _adopt(self, state: RequestState) -> None:
        if self._state is not None and self._state.step is not state.step:
            count_step(self._state, workflow.now() - self._step_since)
            self._step_since = workflow.now()
        self._state = state
        workflow.set_current_details(details(state))
        if state.unsent is not None and (sent := _identity(state.unsent)) not in self._sending:
            self._sending.add(sent)
            self._start_sending(state.unsent)

    def _start_sending(self, ref: SendRef) -> None:
        task = asyncio.create_task(self._send(ref))
        # Without a reference the task could be collected while it waits.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, ref: SendRef) -> None:
        left = ref.expires_at - workflow.now()
        if left <= timedelta(0):
            await self._give_up(ref)
            return
        try:
            await workflow.execute_activity(
                SEND_CODE.name,
                ref,
                result_type=SEND_CODE.returns,
                start_to_close_timeout=timedelta(seconds=15),
                schedule_to_close_timeout=left,
                retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=20)),
                summary=f"send code {ref.number} by {ref.channel}",
            )
        except ActivityError:
            await self._give_up(ref)

    async def _give_up(self, ref: SendRef) -> None:
        with suppress(StepFails):
            await storage_step(GIVE_UP_SENDING, ref, summary="the code could not be delivered")


def _identity(ref: SendRef) -> tuple[str, int]:
    return str(ref.challenge_id), ref.number
