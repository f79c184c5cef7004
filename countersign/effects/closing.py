"""Closing a request that no workflow carries on any more."""

from countersign.domain.requests import Outcome
from countersign.effects.ending import end_from_outside, end_overdue_from_outside
from countersign.effects.notices import tell_owners, tell_person
from countersign.effects.work import Work
from countersign.storage.requests import Request

_REASON = "its workflow was ended in Temporal"
_EVENT = "request_closed"


async def close_without_workflow(work: Work, request: Request) -> bool:
    """End the request as time or a cancel would have, and tell those it concerns; False if it had ended."""
    if request.outcome is not None:
        return False
    if await end_overdue_from_outside(work, request):
        return True
    await end_from_outside(work, request, Outcome.CANCELLED, reason=_REASON)
    await _tell(work, request)
    return True


async def _tell(work: Work, request: Request) -> None:
    # A person's two-factor authentication is that person's business, not the other owners'.
    if request.journey.kind is None:
        await tell_person(work, request.user_id, _EVENT, request_id=request.id, credential_name="")
    else:
        await tell_owners(work, _EVENT, request, request_id=request.id)
