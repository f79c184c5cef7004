"""Deactivation: at once, whatever else is going on."""

from uuid import UUID

from countersign.domain.audit import AuditTag
from countersign.domain.credentials import CredentialKind, CredentialStatus, move
from countersign.domain.requests import Outcome
from countersign.effects.authority import require_owner
from countersign.effects.ending import end_from_outside, end_overdue_from_outside
from countersign.effects.notices import tell_owners
from countersign.effects.opening import find_credential
from countersign.effects.work import Work
from countersign.storage import credentials, requests
from countersign.storage.credentials import Credential
from countersign.storage.requests import Request


async def deactivate(
    work: Work, user_id: UUID, credential_id: UUID, *, kind: CredentialKind
) -> tuple[Credential | None, Request | None]:
    """Make the credential inactive; a request that is open about it ends ``superseded``.

    Returns the credential (None if its secret was never saved, so that nothing remains) and the superseded request.
    Repeating it changes nothing. Raises ``NotFound`` or ``PrimeLiquidityRequired``.
    """
    await require_owner(work, user_id)
    return await deactivate_found(work, await find_credential(work, credential_id, kind=kind))


async def deactivate_found(work: Work, before: Credential) -> tuple[Credential | None, Request | None]:
    """Do the same for whoever may without asking: ops, for a key that leaked."""
    request = await requests.open_of_credential(work.connection, before.id)
    if request is not None and not await end_overdue_from_outside(work, request):
        await end_from_outside(work, request, Outcome.SUPERSEDED, reason="deactivated")
    credential = await _reread(work, before)
    if credential is not None and credential.status is CredentialStatus.ACTIVE:
        await switch_off(work, credential)
        credential = await _reread(work, before)
    if credential is not None and (before.status is not credential.status or request is not None):
        await tell_owners(work, "credential_deactivated", credential)
    return credential, request


async def _reread(work: Work, credential: Credential) -> Credential | None:
    return await credentials.get(work.connection, account_id=work.account.id, credential_id=credential.id)


async def switch_off(work: Work, credential: Credential) -> None:
    """Make an active credential inactive, as it stands."""
    status = move(credential.status, CredentialStatus.INACTIVE)
    await credentials.change(work.connection, credential_id=credential.id, version=credential.version, status=status)
    work.audit(AuditTag.CREDENTIAL_STATUS, credential_id=credential.id, before=credential.status, after=status)


async def switch_off_all(work: Work) -> list[Credential]:
    """Make every active credential of the account inactive, and return them as they are then."""
    off = await credentials.switch_off_all(work.connection, work.account.id)
    for credential in off:
        work.audit(
            AuditTag.CREDENTIAL_STATUS,
            credential_id=credential.id,
            before=CredentialStatus.ACTIVE,
            after=credential.status,
        )
    return off
