"""FIX credentials: list, create, ask for activation, deactivate."""

from functools import partial
from uuid import UUID

from fastapi import APIRouter

from api.activity import ActivityOut, last_uses, read_activity
from api.deactivation import deactivate_credential
from api.opening import ACTIVATION_ERRORS, START_ERRORS, UsedOpening
from api.problems import documented
from api.schemas import Deactivated, FixCredentialsOut, NewFixCredentials, RequestOut
from api.services import OWNER_ERRORS, UsedOwner, UsedServices
from countersign.domain.credentials import CredentialKind
from countersign.domain.errors import NotFound, TooManyCredentials
from countersign.effects import opening as effects
from countersign.effects.work import found
from countersign.storage import credentials

router = APIRouter(prefix="/v1/fix-credentials", tags=["FIX credentials"])


@router.get("", responses=documented(*OWNER_ERRORS))
async def list_fix_credentials(owner: UsedOwner, services: UsedServices) -> list[FixCredentialsOut]:
    """Return the account's FIX credentials, newest first."""
    async with services.core.database.connection() as connection:
        rows = await credentials.of_account(connection, account_id=owner.account_id, kind=CredentialKind.FIX)
    used = await last_uses(services, [row.id for row in rows])
    return [FixCredentialsOut.of(row, used=used.get(row.id)) for row in rows]


@router.get("/{credential_id}", responses=documented(*OWNER_ERRORS, NotFound))
async def get_fix_credentials(credential_id: UUID, owner: UsedOwner, services: UsedServices) -> FixCredentialsOut:
    """Return one set of FIX credentials."""
    async with services.core.database.connection() as connection:
        row = await credentials.get(
            connection, account_id=owner.account_id, credential_id=credential_id, kind=CredentialKind.FIX
        )
    used = await last_uses(services, [credential_id])
    return FixCredentialsOut.of(found(row), used=used.get(credential_id))


@router.get("/{credential_id}/activity", responses=documented(*OWNER_ERRORS, NotFound))
async def read_fix_credentials_activity(credential_id: UUID, owner: UsedOwner, services: UsedServices) -> ActivityOut:
    """Return what came of the calls of the last 30 days, by day, with the reasons of those that were denied."""
    kind = CredentialKind.FIX
    return await read_activity(services, account_id=owner.account_id, credential_id=credential_id, kind=kind)


@router.post("", status_code=202, responses=documented(*START_ERRORS, TooManyCredentials))
async def create_fix_credentials(body: NewFixCredentials, opening: UsedOpening) -> RequestOut:
    """Begin a creation, which is interrupted when its newest two-factor code runs out."""
    return await opening.accept(partial(effects.create_fix_credentials, session_type=body.session_type), body)


@router.post("/{credential_id}/activations", status_code=202, responses=documented(*ACTIVATION_ERRORS))
async def activate_fix_credentials(credential_id: UUID, opening: UsedOpening) -> RequestOut:
    """Ask the account manager to activate inactive FIX credentials."""
    return await opening.accept(partial(effects.activate_fix_credentials, credential_id=credential_id))


@router.post("/{credential_id}/deactivations", responses=documented(*OWNER_ERRORS, NotFound))
async def deactivate_fix_credentials(credential_id: UUID, owner: UsedOwner, services: UsedServices) -> Deactivated:
    """Deactivate: inactive at once, whatever else is down; ends a request that is open about them."""
    return await deactivate_credential(services, owner, credential_id, kind=CredentialKind.FIX)
