"""Deactivating over HTTP: a credential of either kind, at once."""

from uuid import UUID

from api.schemas import Deactivated
from api.services import Owner, Services, now
from countersign.domain.credentials import CredentialKind, CredentialStatus
from countersign.effects.deactivation import deactivate


async def deactivate_credential(
    services: Services, owner: Owner, credential_id: UUID, *, kind: CredentialKind
) -> Deactivated:
    """Deactivate the credential and tell what became of it; one whose secret was never saved is discarded."""
    async with services.desk.on_account(owner.account_id, at=now(), actor=owner.actor) as work:
        credential, superseded = await deactivate(work, owner.user_id, credential_id, kind=kind)
    return Deactivated(
        id=credential_id,
        status=credential.status if credential else CredentialStatus.DISCARDED,
        superseded_request=superseded.id if superseded else None,
    )
