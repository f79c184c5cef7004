"""Whether the request is where the message takes it to be."""

from countersign.domain.errors import NotAtThisStep, RequestClosed
from countersign.domain.requests import EXPIRY_OUTCOME, Step
from countersign.storage.requests import Address


def closed(request: Address) -> RequestClosed:
    """Return the error for a message to a request that has ended, or whose deadline has come."""
    outcome = request.outcome or EXPIRY_OUTCOME[request.step]
    return RequestClosed(f"This request has ended: {outcome}.", outcome=outcome)


def require_open(request: Address) -> None:
    """Raise ``RequestClosed`` when the request has ended."""
    if request.outcome is not None:
        raise closed(request)


def require_step(request: Address, step: Step) -> None:
    """Raise ``RequestClosed`` or ``NotAtThisStep`` unless the request is open at ``step``."""
    require_open(request)
    if request.step is not step:
        raise not_at_this_step(request)


def not_at_this_step(request: Address) -> NotAtThisStep:
    """Return the error for what the request does not wait for now."""
    return NotAtThisStep(f"The request is at the step {request.step}.", step=request.step)
