"""Applying messages: each has one effect and one stored verdict, however often it comes."""

from collections.abc import Awaitable, Callable
from typing import Any

from countersign.domain.errors import DomainError
from countersign.domain.messages import Cancel, Envelope, ResendCode, Verdict
from countersign.domain.requests import Outcome
from countersign.effects import activation, authority, changing, codes, ending, secrets, two_factor
from countersign.effects.state import state_of
from countersign.effects.steps import require_open
from countersign.effects.work import Desk, Work, found
from countersign.storage import verdicts
from countersign.storage.requests import Request
from countersign.storage.verdicts import StoredVerdict
from countersign.telemetry.metrics import VERDICTS


async def apply_message(desk: Desk, envelope: Envelope) -> Verdict:
    """Carry out a message, or return the verdict it got before; effect and verdict are one transaction."""
    async with desk.on_message(envelope) as (work, asked):
        if asked.verdict is not None:
            return _verdict(work, asked.verdict, asked)
        verdict = await _apply(work, asked, envelope.message)
        after = await verdicts.insert(
            work.connection,
            request_id=asked.id,
            account_id=asked.account_id,
            key=envelope.key,
            at=envelope.at,
            verdict=verdict,
        )
        answer = _verdict(work, verdict, found(after))
    # Counted once it is stored: what the transaction could not keep will come again.
    VERDICTS.labels(verdict.kind, verdict.problem or "done").inc()
    return answer


def _verdict(work: Work, stored: StoredVerdict, request: Request) -> Verdict:
    state = state_of(request, rules=work.rules)
    return Verdict(problem=stored.problem, detail=stored.detail, extra=stored.extra, state=state)


async def _apply(work: Work, request: Request, message: Any) -> StoredVerdict:
    # A DomainError does not undo what was written before it: a wrong code was counted, and that stands.
    try:
        require_open(request)
        await _EFFECTS[message.kind](work, request, message)
    except DomainError as error:
        return StoredVerdict(kind=message.kind, problem=error.slug, detail=error.detail, extra=error.extra)
    return StoredVerdict(kind=message.kind)


async def _resend(work: Work, request: Request, _message: ResendCode) -> None:
    authority.require_requester(work, request)
    await codes.resend(work, request)


async def _cancel(work: Work, request: Request, message: Cancel) -> None:
    await authority.require_canceller(work, request)
    await ending.end_request(work, request, Outcome.CANCELLED, reason=message.reason)


_EFFECTS: dict[str, Callable[[Work, Request, Any], Awaitable[None]]] = {
    "two_factor_code": two_factor.pass_two_factor,
    "recovery_code": changing.pass_recovery_code,
    "resend_code": _resend,
    "secret_saved": secrets.acknowledge,
    "activate": activation.activate_now,
    "activate_later": activation.activate_later,
    "activation_code": activation.confirm,
    "account_manager_decision": activation.decide,
    "cancel": _cancel,
}
