"""What all journeys share: the steps, and the wait at each."""

import asyncio
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import SearchAttributeKey

from activities.names import EXPIRE_STEP, REMIND_ACCOUNT_MANAGERS
from countersign.domain.messages import Actor, ActorKind, Cancel, StartRequest, StepDue
from countersign.domain.requests import Step
from workflows.counting import count_ended
from workflows.following import PAUSE
from workflows.messages import SIGNAL_KEY, Messages
from workflows.storage_steps import StepFails, storage_step
from workflows.waking import Alarm

APPROVAL_STEP = SearchAttributeKey.for_keyword("ApprovalStep")
SESSION_NAME = SearchAttributeKey.for_keyword("SessionName")


_TIMERS_STAY = "a-timer-stays-when-the-deadline-moves-on"


class Approval(Messages):
    """One request; journeys say in ``run`` which steps it goes through."""

    def __init__(self, start: StartRequest) -> None:
        super().__init__(start)
        self._alarm = Alarm()

    async def two_factor_code(self) -> None:
        """Wait for the two-factor code."""
        await self._stay(Step.TWO_FACTOR_CODE)

    async def new_factor_code(self) -> None:
        """Wait for a code of the new authenticator or phone."""
        await self._stay(Step.NEW_FACTOR_CODE)

    async def secret_saved(self) -> None:
        """Wait until the secret is acknowledged as saved."""
        await self._stay(Step.SECRET_SAVED)

    async def activation_choice(self) -> None:
        """Wait for ACTIVATE or ACTIVATE LATER."""
        await self._stay(Step.ACTIVATION_CHOICE)

    async def activation_code(self) -> None:
        """Wait for the code or the link from the mail."""
        await self._stay(Step.ACTIVATION_CODE)

    async def account_manager(self) -> None:
        """Wait for the account manager, without end, with reminders."""
        if self._now_at(Step.ACCOUNT_MANAGER):
            workflow.upsert_search_attributes(
                [APPROVAL_STEP.value_set(Step.ACCOUNT_MANAGER), SESSION_NAME.value_set(self._known.name)]
            )
        await self._stay(Step.ACCOUNT_MANAGER)

    async def end(self) -> str:
        """Let open handlers finish; return the outcome, or begin anew where a request has gone back."""
        await workflow.wait_condition(workflow.all_handlers_finished)
        if not self._now_at(Step.CLOSED):
            # A restored database has the request at an earlier step: it goes on from there.
            workflow.continue_as_new(StartRequest(request_id=self._request_id))
        count_ended(self._known)
        return str(self._known.outcome)

    async def _stay(self, step: Step) -> None:
        while self._now_at(step):
            if workflow.info().is_continue_as_new_suggested():
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(StartRequest(request_id=self._request_id))
            await self._wait(step)

    async def _wait(self, step: Step) -> None:
        try:
            if workflow.patched(_TIMERS_STAY):
                await self._wait_for_the_alarm(step)
            else:
                await self._wait_with_a_timer_of_its_own(step)
        except asyncio.CancelledError:
            reason = "cancelled in Temporal"
            cancel = Cancel(actor=Actor(kind=ActorKind.OPS), reason=reason)
            await self._insist(cancel, key=f"{SIGNAL_KEY}{workflow.info().run_id}:{reason}")

    async def _wait_for_the_alarm(self, step: Step) -> None:
        due = self._due()
        if due is not None and due <= workflow.now():
            await self._time_came(step)
            return
        self._alarm.set(due, summary=f"{step}: runs out, unless it is over by then")
        await workflow.wait_condition(
            lambda: (
                not self._now_at(step)
                or not self._alarm.is_set_for(self._due())
                or workflow.info().is_continue_as_new_suggested()
            )
        )

    async def _wait_with_a_timer_of_its_own(self, step: Step) -> None:
        due = self._due()
        try:
            await workflow.wait_condition(
                lambda: not self._now_at(step) or self._due() != due or workflow.info().is_continue_as_new_suggested(),
                timeout=None if due is None else max(due - workflow.now(), timedelta(milliseconds=1)),
                timeout_summary=f"{step}: runs out",
            )
        except TimeoutError:
            await self._time_came(step)

    async def _time_came(self, step: Step) -> None:
        # The lock lets a message that is already being handled win over a deadline that only tidies up.
        try:
            async with self._lock:
                if not self._now_at(step) or self._due() is None:
                    return
                call = EXPIRE_STEP if self._known.deadline is not None else REMIND_ACCOUNT_MANAGERS
                due = StepDue(request_id=self._request_id, step=step, at=workflow.now())
                self._adopt(await storage_step(call, due, summary=call.name))
        except StepFails:
            await workflow.sleep(PAUSE, summary="wait until ops have mended it")

    def _due(self) -> datetime | None:
        return self._known.deadline or self._known.remind_at
