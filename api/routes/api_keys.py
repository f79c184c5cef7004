"""API keys: list, create, edit, activate, deactivate."""

from functools import partial
from uuid import UUID

from fastapi import APIRouter

from api.opening import UsedOpening
from api.problems import documented
from api.schemas import ApiKeyOut, Deactivated, Edit, NewApiKey, RequestOut, whitelist_text
from api.services import UsedOwner, UsedServices, now
from countersign.domain.credentials import CredentialKind, CredentialStatus
from countersign.domain.errors import (
    AcknowledgementMissing,
    IdempotencyKeyReused,
    InvalidName,
    InvalidWhitelist,
    IssuingFrozen,
    NameTaken,
    NotFound,
    NothingChanged,
    NotSignedIn,
    PrimeLiquidityRequired,
    RequestOpen,
    TooManyCodes,
    TooManyCredentials,
    TwoFactorNotEnabled,
    Unavailable,
    UnknownPermission,
    WrongStatus,
)
from countersign.effects import opening as effects
from countersign.effects.deactivation import deactivate
from countersign.effects.work import found
from countersign.storage import credentials

router = APIRouter(prefix="/v1/api-keys", tags=["API keys"])

OWNER_ERRORS = (NotSignedIn, PrimeLiquidityRequired, Unavailable)
START_ERRORS = (*OWNER_ERRORS, TwoFactorNotEnabled, IssuingFrozen, TooManyCodes, IdempotencyKeyReused, RequestOpen)
ACTIVATION_ERRORS = (*START_ERRORS, NotFound, WrongStatus)


@router.get("", responses=documented(*OWNER_ERRORS))
async def list_api_keys(owner: UsedOwner, services: UsedServices) -> list[ApiKeyOut]:
    """Return the account's API keys, newest first."""
    async with services.core.database.connection() as connection:
        rows = await credentials.of_account(connection, account_id=owner.account_id, kind=CredentialKind.API_KEY)
    return [ApiKeyOut.of(row) for row in rows]


@router.get("/{credential_id}", responses=documented(*OWNER_ERRORS, NotFound))
async def get_api_key(credential_id: UUID, owner: UsedOwner, services: UsedServices) -> ApiKeyOut:
    """Return one API key."""
    async with services.core.database.connection() as connection:
        row = found(await credentials.get(connection, account_id=owner.account_id, credential_id=credential_id))
    if row.kind is not CredentialKind.API_KEY:
        raise NotFound
    return ApiKeyOut.of(row)


@router.post(
    "",
    status_code=202,
    responses=documented(
        *START_ERRORS, InvalidName, UnknownPermission, InvalidWhitelist, NameTaken, TooManyCredentials
    ),
)
async def create_api_key(body: NewApiKey, opening: UsedOpening) -> RequestOut:
    """CREATE API Key: begin a creation, which then waits for the two-factor code."""
    opener = partial(
        effects.create_api_key,
        name=body.name,
        permissions=body.permissions,
        ip_whitelist=whitelist_text(body.ip_whitelist),
    )
    return await opening.accept(opener, body)


@router.post(
    "/{credential_id}/edits",
    status_code=202,
    responses=documented(
        *START_ERRORS, NotFound, UnknownPermission, InvalidWhitelist, NothingChanged, AcknowledgementMissing
    ),
)
async def edit_api_key(credential_id: UUID, body: Edit, opening: UsedOpening) -> RequestOut:
    """Save: begin an edit, which waits for the two-factor code, then deactivates the key."""
    opener = partial(
        effects.edit_api_key,
        credential_id=credential_id,
        permissions=body.permissions,
        ip_whitelist=whitelist_text(body.ip_whitelist),
        acknowledged=body.acknowledge_deactivation,
    )
    return await opening.accept(opener, body)


@router.post("/{credential_id}/activations", status_code=202, responses=documented(*ACTIVATION_ERRORS))
async def activate_api_key(credential_id: UUID, opening: UsedOpening) -> RequestOut:
    """Activate an inactive API key: begin, then wait for the two-factor code."""
    return await opening.accept(partial(effects.activate_api_key, credential_id=credential_id))


@router.post("/{credential_id}/deactivations", responses=documented(*OWNER_ERRORS, NotFound))
async def deactivate_api_key(credential_id: UUID, owner: UsedOwner, services: UsedServices) -> Deactivated:
    """Deactivate: inactive at once, whatever else is down; ends a request that is open about the key."""
    return await deactivate_credential(services, owner, credential_id, kind=CredentialKind.API_KEY)


async def deactivate_credential(
    services: UsedServices, owner: UsedOwner, credential_id: UUID, *, kind: CredentialKind
) -> Deactivated:
    """Deactivate a credential of either kind."""
    async with services.desk.on_account(owner.account_id, at=now(), actor=owner.actor) as work:
        credential, superseded = await deactivate(work, owner.user_id, credential_id, kind=kind)
    return Deactivated(
        id=credential_id,
        status=credential.status if credential else CredentialStatus.DISCARDED,
        superseded_request=superseded.id if superseded else None,
    )
