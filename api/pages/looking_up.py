"""What a page is about: credentials of the visitor's account, and what is open about them."""

from uuid import UUID

from api.pages.visitors import Visitor
from api.schemas import RequestOut
from api.services import Services, now
from countersign.domain.credentials import CredentialKind
from countersign.effects.work import found
from countersign.storage import credentials, requests
from countersign.storage.credentials import Credential


async def credential_of(
    services: Services, visitor: Visitor, credential_id: UUID, *, kind: CredentialKind
) -> Credential:
    """Return the credential of the visitor's account; raises ``NotFound`` and ``PrimeLiquidityRequired``."""
    account_id = visitor.owner.account_id
    async with services.core.database.connection() as connection:
        return found(await credentials.get(connection, account_id=account_id, credential_id=credential_id, kind=kind))


async def unfinished_about(services: Services, credential_id: UUID) -> RequestOut | None:
    """Return the request that is open about the credential."""
    async with services.core.database.connection() as connection:
        stored = await requests.open_of_credential(connection, credential_id)
    if stored is None:
        return None
    shown = RequestOut.of(stored, rules=services.settings.rules, at=now())
    return shown if shown.outcome is None else None
