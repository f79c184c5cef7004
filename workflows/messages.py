"""The messages a workflow takes: each is a signal, and an update of the same name where the sender needs the answer.

Only an update raises. An exception in a signal handler would fail the workflow, and anything but an
``ApplicationError`` in an update handler would wedge it.
"""

import re

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from countersign.domain.messages import (
    AccountManagerDecision,
    Activate,
    ActivateLater,
    ActivationCode,
    Actor,
    ActorKind,
    AnyMessage,
    Cancel,
    RecoveryCode,
    ResendCode,
    SecretSaved,
    StartRequest,
    TwoFactorCode,
    Verdict,
)
from workflows.following import Following

SIGNAL_KEY = "signal:"
# Parts the key of a message from what makes its update id another one.
AGAIN = "~again:"
_GARBAGE_IS_REFUSED = "garbage-decision-is-refused"
_NOTHING = RawValue(Payload())
_UPDATE_ID = re.compile(r"[^\x00-\x1f\x7f]{1,200}")


class Messages(Following):
    """Takes every message at any step: the database says whether it fits."""

    def __init__(self, start: StartRequest) -> None:
        super().__init__(start)
        self._signals = 0

    @workflow.signal(name="two_factor_code")
    async def on_two_factor_code(self, message: TwoFactorCode) -> None:
        """Take a two-factor code."""
        await self._signalled(message)

    @workflow.update(name="two_factor_code")
    async def two_factor_code_update(self, message: TwoFactorCode) -> Verdict:
        """Take a two-factor code and tell whether it was right."""
        return await self._asked(message)

    @workflow.signal(name="recovery_code")
    async def on_recovery_code(self, message: RecoveryCode) -> None:
        """Take a recovery code in place of a two-factor code."""
        await self._signalled(message)

    @workflow.update(name="recovery_code")
    async def recovery_code_update(self, message: RecoveryCode) -> Verdict:
        """Take a recovery code in place of a two-factor code and tell whether it was right."""
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
    async def on_account_manager_decision(self, given: RawValue = _NOTHING) -> None:
        """Take an account manager's signed decision; what is none, however garbled, is refused on the record."""
        message = _decision(given)
        if message is None:
            # In histories from before, it was dropped by the SDK and left no trace.
            if not workflow.patched(_GARBAGE_IS_REFUSED):
                return
            message = AccountManagerDecision(statement="")
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
        await self._look_again()

    async def _signalled(self, message: AnyMessage) -> None:
        # Whom a signal names proves nothing, so nobody is believed to have sent it.
        anonymous = message.model_copy(update={"actor": Actor(kind=ActorKind.SIGNAL)})
        self._signals += 1
        verdict = await self._insist(anonymous, key=f"{SIGNAL_KEY}{workflow.info().run_id}:{self._signals}")
        if verdict is not None and verdict.problem is not None:
            workflow.logger.info("Dropped the signal %s: %s", message.kind, verdict.problem)

    async def _asked(self, message: AnyMessage) -> Verdict:
        update = workflow.current_update_info()
        if update is None or not _UPDATE_ID.fullmatch(update.id) or update.id.startswith((SIGNAL_KEY, AGAIN)):
            raise ApplicationError("The update id must have 1 to 200 printable characters.", type="invalid-input")
        if message.actor.kind in {ActorKind.SYSTEM, ActorKind.MAIL_LINK}:
            raise ApplicationError("Nobody sends messages as the system, or as a mail.", type="forbidden")
        # The deadline is held against the moment the message arrives, not against when its turn comes.
        key = update.id.partition(AGAIN)[0]
        verdict = await self._deliver(message, key=key, at=workflow.now())
        if verdict.problem is not None:
            raise ApplicationError(verdict.detail or verdict.problem, verdict, type=verdict.problem)
        return verdict


def _decision(given: RawValue) -> AccountManagerDecision | None:
    try:
        read: object = workflow.payload_converter().from_payload(given.payload, AccountManagerDecision)
    except Exception:  # noqa: BLE001 - whatever it is, it is no decision, and an error would wedge the workflow
        return None
    return read if isinstance(read, AccountManagerDecision) else None
