"""How requests end, and what that does to the credential."""

from collections.abc import Iterable
from datetime import datetime

from countersign.domain.audit import AuditTag
from countersign.domain.credentials import CredentialStatus, move
from countersign.domain.errors import VersionChanged
from countersign.domain.permissions import Permission
from countersign.domain.requests import EXPIRY_OUTCOME, Outcome, Step, status_after_end
from countersign.domain.trading_limits import TradingLimits
from countersign.effects.work import Work
from countersign.storage import credentials, requests
from countersign.storage.credentials import Credential
from countersign.storage.requests import Address, Request

_TIME_RAN_OUT = "time ran out"


async def end_request(work: Work, request: Request, outcome: Outcome, *, reason: str | None = None) -> None:
    """Close the request; unless it activated, take its credential back to where nobody can use it half-made."""
    if outcome is not Outcome.ACTIVATED:
        await _take_credential_back(work, request)
    await requests.close(work.connection, request.id, outcome=outcome, reason=reason)
    if request.step is Step.ACCOUNT_MANAGER:
        # No deadline would ever wake a workflow that missed this end.
        await requests.set_nudge(work.connection, request.id)
    work.audit_request(AuditTag.REQUEST_ENDED, request, outcome=outcome, step=request.step, reason=reason)


async def _take_credential_back(work: Work, request: Request) -> None:
    credential = await credential_of(work, request)
    if credential is None:
        return
    status = status_after_end(step=request.step, status=credential.status)
    if status is not credential.status:
        await change_status(work, request, credential, status)


async def end_from_outside(work: Work, request: Request, outcome: Outcome, *, reason: str) -> None:
    """End the request without its workflow, which is told to look again as soon as it can be."""
    await end_request(work, request, outcome, reason=reason)
    await requests.set_nudge(work.connection, request.id)


async def end_overdue(work: Work, request: Request) -> None:
    """End the request if its step's deadline has come."""
    if is_overdue(request, at=work.at):
        await end_request(work, request, EXPIRY_OUTCOME[request.step], reason=_TIME_RAN_OUT)


async def end_overdue_from_outside(work: Work, request: Request) -> bool:
    """End the request if its step's deadline has come, without its workflow; tell whether it had.

    The workflow may be asleep while the worker is down; a dead request must not stand in the way of anything.
    """
    if not is_overdue(request, at=work.at):
        return False
    await end_from_outside(work, request, EXPIRY_OUTCOME[request.step], reason=_TIME_RAN_OUT)
    return True


async def end_all_from_outside(work: Work, under_way: Iterable[Request], *, reason: str) -> None:
    """Cancel these requests without their workflows; those whose time had run out end as such."""
    for request in under_way:
        if not await end_overdue_from_outside(work, request):
            await end_from_outside(work, request, Outcome.CANCELLED, reason=reason)


def is_overdue(request: Address, *, at: datetime) -> bool:
    """Tell whether the request is open past its step's deadline."""
    return request.outcome is None and request.deadline is not None and at >= request.deadline


async def credential_of(work: Work, request: Request) -> Credential | None:
    """Return the request's credential, or None while it does not exist."""
    return await credentials.get(work.connection, account_id=request.account_id, credential_id=request.credential_id)


async def change_status(
    work: Work,
    request: Request,
    credential: Credential,
    status: CredentialStatus,
    *,
    permissions: list[Permission] | None = None,
    ip_whitelist: list[str] | None = None,
    trading_limits: TradingLimits | None = None,
) -> Credential:
    """Change the credential in the request's name, and return it; raises ``VersionChanged`` unless it is as meant."""
    changed = await credentials.change(
        work.connection,
        credential_id=credential.id,
        version=request.credential_version,
        status=move(credential.status, status) if status is not credential.status else status,
        request_id=request.id,
        permissions=permissions,
        ip_whitelist=ip_whitelist,
        trading_limits=trading_limits,
    )
    if changed is None:
        raise VersionChanged
    work.audit_request(
        AuditTag.CREDENTIAL_STATUS, request, before=credential.status, after=status, version=changed.version
    )
    return changed
