"""Holding funds permissions back after how a person is reached or confirms was changed."""

from datetime import datetime

from countersign.domain.audit import AuditTag
from countersign.domain.holding import held_until, hold_ends
from countersign.domain.permissions import funds_permissions
from countersign.domain.requests import Outcome
from countersign.domain.rules import Rules
from countersign.effects.work import Work
from countersign.storage import credentials
from countersign.storage.credentials import Credential
from countersign.storage.requests import Request


async def hold_funds(work: Work, request: Request, credential: Credential) -> Credential:
    """Hold the funds permissions of the request's credential back if its requester's security was changed lately.

    Returns the credential with the moment from when on they are in effect.

    At its creation and edit too, not at its activation alone: who made it knows the secret, whoever activates it.
    Nobody shortens a hold; one that is over is forgotten.
    """
    until = held_until(credential.funds_from, _of_requester(request, work.rules), at=work.at)
    if until != credential.funds_from:
        await credentials.hold_funds(work.connection, credential.id, until)
    if until is not None and funds_permissions(credential.permissions):
        work.audit_request(AuditTag.FUNDS_HELD, request, until=until.isoformat())
    return credential.model_copy(update={"funds_from": until})


def funds_begin_at(request: Request, *, rules: Rules, at: datetime) -> datetime | None:
    """Return from when on the request's funds permissions are in effect, as far as it can be foreseen at ``at``.

    None where they are at once, where there are none, and for a request that ended without activating.
    """
    if not funds_permissions(request.permissions) or request.outcome not in {None, Outcome.ACTIVATED}:
        return None
    foreseen = None if request.outcome else _of_requester(request, rules)
    return held_until(request.funds_from, foreseen, at=at)


def _of_requester(request: Request, rules: Rules) -> datetime | None:
    return hold_ends(request.security_changed_at, rules=rules)
