"""One credential of either kind: its information and activity, Activate, Deactivate."""

from enum import StrEnum
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from api.activity import read_activity, totals
from api.deactivation import deactivate_credential
from api.pages.beginning import Key, begin, first_of_all, if_busy
from api.pages.looking_up import credential_of, unfinished_about
from api.pages.rendering import panel
from api.pages.timeline import timeline_for_owners
from api.pages.visitors import UsedVisitor
from api.services import UsedServices
from countersign.domain.credentials import CredentialKind, CredentialStatus
from countersign.effects import opening
from countersign.storage.credentials import Credential

router = APIRouter(prefix="/settings/{kind}/{credential_id}", include_in_schema=False)


class Kind(StrEnum):
    """The kinds of credential, as paths name them."""

    API_KEY = "api-keys"
    FIX = "fix-credentials"


_KINDS = {Kind.API_KEY: CredentialKind.API_KEY, Kind.FIX: CredentialKind.FIX}
_OPENERS = {CredentialKind.API_KEY: opening.activate_api_key, CredentialKind.FIX: opening.activate_fix_credentials}


async def credential(kind: Kind, credential_id: UUID, visitor: UsedVisitor, services: UsedServices) -> Credential:
    """Return the credential that the path names; raises ``NotFound``."""
    return await credential_of(services, visitor, credential_id, kind=_KINDS[kind])


UsedCredential = Annotated[Credential, Depends(credential)]


@router.get("")
async def see(http: Request, visitor: UsedVisitor, services: UsedServices, credential: UsedCredential) -> Response:
    """Show the credential, what its calls came to, and what happened to it."""
    calls = await read_activity(
        services, account_id=credential.account_id, credential_id=credential.id, kind=credential.kind
    )
    return await panel(
        http,
        "panels/credential.html",
        visitor=visitor,
        credential=credential,
        waiting=await unfinished_about(services, credential.id),
        events=await timeline_for_owners(services, credential),
        activity=calls,
        totals=totals(calls.days),
    )


@router.get("/activate")
async def ask_activate(
    http: Request, visitor: UsedVisitor, services: UsedServices, credential: UsedCredential
) -> Response:
    """Activate: the credential's information first; FIX credentials are activated without a code of one's own."""
    if credential.kind is CredentialKind.FIX:
        first = await if_busy(http, services, visitor, credential)
    else:
        first = await first_of_all(http, services, visitor, credential, doing="activate this API key")
    return first or await panel(http, "panels/activate.html", visitor=visitor, credential=credential, error=None)


@router.post("/activate")
async def activate(
    http: Request, visitor: UsedVisitor, services: UsedServices, credential: UsedCredential, key: Key = ""
) -> Response:
    """Begin the activation."""
    opener = partial(_OPENERS[credential.kind], credential_id=credential.id)
    return await begin(
        http, services, visitor, opener, key=key, said={}, form="panels/activate.html", credential=credential
    )


@router.get("/deactivate")
async def ask_deactivate(http: Request, visitor: UsedVisitor, credential: UsedCredential) -> Response:
    """Deactivate: the credential's information first."""
    return await panel(http, "panels/deactivate.html", visitor=visitor, credential=credential)


@router.post("/deactivate")
async def deactivate(
    http: Request, visitor: UsedVisitor, services: UsedServices, credential: UsedCredential
) -> Response:
    """Deactivate at once, and say so."""
    after = await deactivate_credential(services, visitor.owner, credential.id, kind=credential.kind)
    return await panel(
        http,
        "panels/deactivated.html",
        visitor=visitor,
        changed=True,
        credential=credential,
        discarded=after.status is CredentialStatus.DISCARDED,
    )
