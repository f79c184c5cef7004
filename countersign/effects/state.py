"""What the workflow is told of its request."""

from datetime import datetime

from countersign.domain.messages import RequestState, SendRef
from countersign.domain.requests import CODE_STEPS, Delivery, Step
from countersign.domain.rules import Rules
from countersign.storage.requests import Request


def state_of(request: Request, *, rules: Rules) -> RequestState:
    """Return the request as its workflow sees it."""
    return RequestState(
        journey=request.journey,
        step=request.step,
        outcome=request.outcome,
        name=request.name,
        deadline=request.deadline,
        remind_at=remind_at(request, rules=rules),
        attempts_left=attempts_left(request, rules=rules),
        unsent=_unsent(request),
    )


def remind_at(request: Request, *, rules: Rules) -> datetime | None:
    """Return when the account managers are reminded next, or None when they are no more."""
    delays = (rules.first_reminder, rules.second_reminder)
    if request.step is not Step.ACCOUNT_MANAGER or request.asked_at is None or request.reminders >= len(delays):
        return None
    return request.asked_at + delays[request.reminders]


def attempts_left(request: Request, *, rules: Rules) -> int | None:
    """Return how many wrong codes the present step still bears, or None when it asks for no code."""
    if request.step not in CODE_STEPS or request.wrong_codes is None:
        return None
    return max(0, rules.wrong_codes_per_step - request.wrong_codes)


def _unsent(request: Request) -> SendRef | None:
    if request.delivery is not Delivery.SENDING or request.outcome is not None:
        return None
    return SendRef.model_validate(
        {
            "challenge_id": request.challenge_id,
            "number": request.send_number,
            "channel": request.channel,
            "expires_at": request.send_expires_at,
        }
    )
