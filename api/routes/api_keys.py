"""API keys: list, create, edit, activate, deactivate."""

from functools import partial
from uuid import UUID

from fastapi import APIRouter

from api.activity import ActivityOut, last_uses, read_activity
from api.deactivation import deactivate_credential
from api.opening import ACTIVATION_ERRORS, START_ERRORS, UsedOpening
from api.problems import documented
from api.schemas import ApiKeyOut, Deactivated, Edit, NewApiKey, RequestOut, whitelist_text
from api.services import OWNER_ERRORS, UsedOwner, UsedServices, now
from countersign.domain.credentials import CredentialKind
from countersign.domain.errors import (
    AcknowledgementMissing,
    InvalidName,
    InvalidWhitelist,
    NameTaken,
    NotFound,
    NothingChanged,
    TooManyCredentials,
    UnknownPermission,
)
from countersign.effects import opening as effects
from countersign.effects.work import found
from countersign.storage import credentials

router = APIRouter(prefix="/v1/api-keys", tags=["API keys"])


@router.get("", responses=documented(*OWNER_ERRORS))
async def list_api_keys(owner: UsedOwner, services: UsedServices) -> list[ApiKeyOut]:
    """Return the account's API keys, newest first."""
    async with services.core.database.connection() as connection:
        rows = await credentials.of_account(connection, account_id=owner.account_id, kind=CredentialKind.API_KEY)
    used = await last_uses(services, [row.id for row in rows])
    return [ApiKeyOut.of(row, at=now(), used=used.get(row.id)) for row in rows]


@router.get("/{credential_id}", responses=documented(*OWNER_ERRORS, NotFound))
async def get_api_key(credential_id: UUID, owner: UsedOwner, services: UsedServices) -> ApiKeyOut:
    """Return one API key."""
    async with services.core.database.connection() as connection:
        row = await credentials.get(
            connection, account_id=owner.account_id, credential_id=credential_id, kind=CredentialKind.API_KEY
        )
    used = await last_uses(services, [credential_id])
    return ApiKeyOut.of(found(row), at=now(), used=used.get(credential_id))


@router.get("/{credential_id}/activity", responses=documented(*OWNER_ERRORS, NotFound))
async def read_api_key_activity(credential_id: UUID, owner: UsedOwner, services: UsedServices) -> ActivityOut:
    """Return what came of the calls of the last 30 days, by day, with the reasons of those that were denied."""
    kind = CredentialKind.API_KEY
    return await read_activity(services, account_id=owner.account_id, credential_id=credential_id, kind=kind)


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
