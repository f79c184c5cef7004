"""What all journeys share: their messages, the wait at a step, and the sending of codes.

The database is the judge of every message and the keeper of the step; a workflow adopts what it answers, so that
workflow and database can be apart only for as long as no message, deadline or nudge arrives.
"""

import asyncio
import re
from contextlib import suppress
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ActivityError, ApplicationError

from activities.names import (
    APPLY_MESSAGE,
    BEGIN_REQUEST,
    EXPIRE_STEP,
    GIVE_UP_SENDING,
    READ_STATE,
    REMIND_ACCOUNT_MANAGERS,
    SEND_CODE,
)
from countersign.domain.messages import (
    AccountManagerDecision,
    Activate,
    ActivateLater,
    ActivationCode,
    Actor,
    ActorKind,
    AnyMessage,
    Cancel,
    Envelope,
    RequestAt,
    RequestState,
    ResendCode,
    SecretSaved,
    SendRef,
    StartRequest,
    StepDue,
    TwoFactorCode,
    Verdict,
)
from countersign.domain.requests import Step
from workflows.storage_steps import StepFails, storage_step

APPROVAL_STEP = SearchAttributeKey.for_keyword("ApprovalStep")
SESSION_NAME = SearchAttributeKey.for_keyword("SessionName")

_SIGNAL = "signal:"
_UPDATE_ID = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
_PAUSE = timedelta(minutes=1)

_WAITING_FOR = {
    Step.STARTING: "its worker",
    Step.TWO_FACTOR_CODE: "the two-factor code",
    Step.SECRET_SAVED: "the owner's word that the secret is saved",
    Step.ACTIVATION_CHOICE: "ACTIVATE or ACTIVATE LATER",
    Step.ACTIVATION_CODE: "the code or link from the email",
    Step.ACCOUNT_MANAGER: "the account manager",
    Step.CLOSED: "nobody",
}


class Approval:
    """One request; journeys say in ``run`` which steps it goes through."""

    def __init__(self, start: StartRequest) -> None:
        self._request_id = start.request_id
        self._state: RequestState | None = None
        # Handlers await the database: without the lock, two messages could adopt their states in the wrong order.
        self._lock = asyncio.Lock()
        self._signals = 0
        self._sending: set[tuple[str, int]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    # The steps, for ``run`` -------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Take the request to its first step, or find it where it stands."""
        while self._state is None:
            try:
                arg = RequestAt(request_id=self._request_id, at=workflow.now())
                self._adopt(await storage_step(BEGIN_REQUEST, arg, summary="begin"))
            except StepFails:
                await workflow.sleep(_PAUSE, summary="wait until ops have mended it")

    async def two_factor_code(self) -> None:
        """Wait for the two-factor code."""
        await self._stay(Step.TWO_FACTOR_CODE)

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
        """Let open handlers finish; return the outcome."""
        await workflow.wait_condition(workflow.all_handlers_finished)
        return str(self._known.outcome)

    # Messages: each is a signal, and an update where the sender needs the answer -----------------------------------

    @workflow.signal(name="two_factor_code")
    async def on_two_factor_code(self, message: TwoFactorCode) -> None:
        """Take a two-factor code."""
        await self._signalled(message)

    @workflow.update(name="two_factor_code")
    async def two_factor_code_update(self, message: TwoFactorCode) -> Verdict:
        """Take a two-factor code and tell whether it was right."""
        return await self._asked(message)

    @workflow.signal(name="resend_code")
    async def on_resend_code(self, message: ResendCode) -> None:
        """Send a new code."""
        await self._signalled(message)

    @workflow.update(name="resend_code")
    async def resend_code_update(self, message: ResendCode) -> Verdict:
        """Send a new code, or tell when one can be sent."""
        return await self._asked(message)

    @workflow.signal(name="secret_saved")
    async def on_secret_saved(self, message: SecretSaved) -> None:
        """Take the word that the secret is saved."""
        await self._signalled(message)

    @workflow.update(name="secret_saved")
    async def secret_saved_update(self, message: SecretSaved) -> Verdict:
        """Take the word that the secret is saved, and answer."""
        return await self._asked(message)

    @workflow.signal(name="activate")
    async def on_activate(self, message: Activate) -> None:
        """Go on to activation."""
        await self._signalled(message)

    @workflow.update(name="activate")
    async def activate_update(self, message: Activate) -> Verdict:
        """Go on to activation, and answer."""
        return await self._asked(message)

    @workflow.signal(name="activate_later")
    async def on_activate_later(self, message: ActivateLater) -> None:
        """Leave the credential inactive."""
        await self._signalled(message)

    @workflow.update(name="activate_later")
    async def activate_later_update(self, message: ActivateLater) -> Verdict:
        """Leave the credential inactive, and answer."""
        return await self._asked(message)

    @workflow.signal(name="activation_code")
    async def on_activation_code(self, message: ActivationCode) -> None:
        """Take the code or link from the mail."""
        await self._signalled(message)

    @workflow.update(name="activation_code")
    async def activation_code_update(self, message: ActivationCode) -> Verdict:
        """Take the code or link from the mail and tell whether it was right."""
        return await self._asked(message)

    @workflow.signal(name="account_manager_decision")
    async def on_account_manager_decision(self, message: AccountManagerDecision) -> None:
        """Take an account manager's signed decision."""
        await self._signalled(message)

    @workflow.update(name="account_manager_decision")
    async def account_manager_decision_update(self, message: AccountManagerDecision) -> Verdict:
        """Take an account manager's signed decision, and answer."""
        return await self._asked(message)

    @workflow.signal(name="cancel")
    async def on_cancel(self, message: Cancel) -> None:
        """End the request."""
        await self._signalled(message)

    @workflow.update(name="cancel")
    async def cancel_update(self, message: Cancel) -> Verdict:
        """End the request, and answer."""
        return await self._asked(message)

    @workflow.signal(name="look_again")
    async def on_look_again(self) -> None:
        """Read the request anew: it changed, or may have changed, without a message. Harmless at any time."""
        await self._begun()
        with suppress(StepFails):
            async with self._lock:
                arg = RequestAt(request_id=self._request_id, at=workflow.now())
                self._adopt(await storage_step(READ_STATE, arg, summary="look again"))

    # How it works -----------------------------------------------------------------------------------------------

    async def _signalled(self, message: AnyMessage) -> None:
        # Whom a signal names proves nothing, so nobody is believed to have sent it.
        anonymous = message.model_copy(update={"actor": Actor(kind=ActorKind.SIGNAL)})
        self._signals += 1
        verdict = await self._insist(anonymous, key=f"{_SIGNAL}{workflow.info().run_id}:{self._signals}")
        if verdict is not None and verdict.problem is not None:
            workflow.logger.info("Dropped the signal %s: %s", message.kind, verdict.problem)

    async def _asked(self, message: AnyMessage) -> Verdict:
        update = workflow.current_update_info()
        if update is None or not _UPDATE_ID.fullmatch(update.id) or update.id.startswith(_SIGNAL):
            raise ApplicationError("The update id must have 1 to 200 printable characters.", type="invalid-input")
        if message.actor.kind is ActorKind.SYSTEM:
            raise ApplicationError("Nobody sends messages as the system.", type="forbidden")
        # The deadline is held against the moment the message arrives, not against when its turn comes.
        verdict = await self._deliver(message, key=update.id, at=workflow.now())
        if verdict.problem is not None:
            raise ApplicationError(verdict.detail or verdict.problem, verdict, type=verdict.problem)
        return verdict

    async def _insist(self, message: AnyMessage, *, key: str) -> Verdict | None:
        """Deliver what nobody would send again; None when the request ended meanwhile."""
        at = workflow.now()
        while self._state is None or not self._now_at(Step.CLOSED):
            try:
                return await self._deliver(message, key=key, at=at)
            except StepFails:
                with suppress(TimeoutError):
                    await workflow.wait_condition(lambda: self._now_at(Step.CLOSED), timeout=_PAUSE)
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

    async def _stay(self, step: Step) -> None:
        while self._now_at(step):
            if workflow.info().is_continue_as_new_suggested():
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(StartRequest(request_id=self._request_id))
            await self._wait(step)

    async def _wait(self, step: Step) -> None:
        due = self._due()
        try:
            await workflow.wait_condition(
                lambda: not self._now_at(step) or self._due() != due or workflow.info().is_continue_as_new_suggested(),
                timeout=None if due is None else max(due - workflow.now(), timedelta(milliseconds=1)),
                timeout_summary=f"{step}: runs out",
            )
        except TimeoutError:
            await self._time_came(step)
        except asyncio.CancelledError:
            reason = "cancelled in Temporal"
            cancel = Cancel(actor=Actor(kind=ActorKind.OPS), reason=reason)
            await self._insist(cancel, key=f"{_SIGNAL}{workflow.info().run_id}:{reason}")

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
            await workflow.sleep(_PAUSE, summary="wait until ops have mended it")

    def _now_at(self, step: Step) -> bool:
        return self._known.step is step

    def _due(self) -> datetime | None:
        return self._known.deadline or self._known.remind_at

    @property
    def _known(self) -> RequestState:
        if self._state is None:
            raise RuntimeError("begin() comes first")
        return self._state

    def _adopt(self, state: RequestState) -> None:
        self._state = state
        workflow.set_current_details(_details(state))
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


def _details(state: RequestState) -> str:
    lines = [f"**{state.name}** waits for {_WAITING_FOR[state.step]}.", f"Step: `{state.step}`"]
    if state.outcome is not None:
        lines = [f"**{state.name}**: {state.outcome}."]
    if state.deadline is not None:
        lines.append(f"Until: {state.deadline:%Y-%m-%d %H:%M:%S} UTC")
    if state.remind_at is not None:
        lines.append(f"Next reminder: {state.remind_at:%Y-%m-%d %H:%M:%S} UTC")
    if state.attempts_left is not None:
        lines.append(f"Tries left: {state.attempts_left}")
    return "\n\n".join(lines)
