"""Settings, API Keys Management: the lists, and the pop-ups that begin a journey of an API key."""

from dataclasses import asdict
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response

from api.pages.asking import Asked, UsedAsked, present, understood
from api.pages.beginning import Key, begin, first_of_all
from api.pages.listing import Search, listed
from api.pages.looking_up import credential_of, unfinished_about
from api.pages.rendering import fragment, page, panel
from api.pages.viewing import viewed
from api.pages.visitors import UsedVisitor, Visitor, limited
from api.quotas import Quota
from api.services import Services, UsedServices
from countersign.domain.credentials import CredentialKind
from countersign.domain.errors import DomainError
from countersign.domain.messages import Cancel
from countersign.domain.permissions import BOT_PRESET, Permission
from countersign.effects import opening

router = APIRouter(prefix="/settings/api-keys", include_in_schema=False)

Name = Annotated[str, Form(max_length=1000)]
Tick = Annotated[str, Form(max_length=8)]


@router.get("", dependencies=[limited(Quota.PREVIEWS)])
async def see_all(
    http: Request,
    visitor: UsedVisitor,
    services: UsedServices,
    q: Annotated[str, Query(max_length=100)] = "",
    status: Annotated[str, Query(max_length=30)] = "",
) -> Response:
    """Return the page with unfinished requests, API keys and FIX credentials."""
    if not visitor.is_owner:
        return await page(http, "not_for_you.html", visitor=visitor)
    search = Search(text=q, status=status)
    return await page(
        http, "api_keys.html", visitor=visitor, search=search, **await listed(services, visitor.owner, search)
    )


@router.get("/new")
async def ask_new(http: Request, visitor: UsedVisitor, services: UsedServices) -> Response:
    """+ NEW API KEY: the form, or the way to enable two-factor authentication first."""
    return await _form(http, services, visitor, ())


@router.get("/new-bot")
async def ask_new_for_bot(http: Request, visitor: UsedVisitor, services: UsedServices) -> Response:
    """Show the form as a trading bot needs it: read and trade, never funds."""
    return await _form(http, services, visitor, BOT_PRESET)


@router.post("/new")
async def create(
    http: Request,
    visitor: UsedVisitor,
    services: UsedServices,
    asked: UsedAsked,
    name: Name = "",
    key: Key = "",
) -> Response:
    """CREATE API Key."""
    opener = partial(opening.create_api_key, name=name, **asdict(asked))
    said = {"name": name, **asked.typed}
    return await begin(http, services, visitor, opener, key=key, said=said, form="panels/new_api_key.html")


@router.post("/understood", dependencies=[limited(Quota.PREVIEWS)])
async def understand(
    visitor: UsedVisitor,
    services: UsedServices,
    asked: UsedAsked,
    credential_id: Annotated[UUID | None, Form()] = None,
) -> Response:
    """Show how whitelist and trading limits are understood, what an edit changes, and what is unwise."""
    before = None
    if credential_id is not None:
        before = await credential_of(services, visitor, credential_id, kind=CredentialKind.API_KEY)
    context = understood(asked, before=before, limit=services.settings.rules.whitelist_entries)
    return fragment("parts/understood.html", **context)


@router.get("/{credential_id}/edit")
async def ask_edit(http: Request, visitor: UsedVisitor, services: UsedServices, credential_id: UUID) -> Response:
    """Edit: the form with the present permissions, whitelist and trading limits."""
    credential = await credential_of(services, visitor, credential_id, kind=CredentialKind.API_KEY)
    return await first_of_all(http, services, visitor, credential, doing="edit this API key") or await panel(
        http,
        "panels/edit_api_key.html",
        visitor=visitor,
        credential=credential,
        acknowledged="",
        error=None,
        **present(credential).typed,
    )


@router.post("/{credential_id}/edit-instead")
async def edit_instead(
    http: Request, visitor: UsedVisitor, services: UsedServices, credential_id: UUID, key: Key = ""
) -> Response:
    """End what is open about the key, which leaves it inactive at the most, and go on to its edit."""
    credential = await credential_of(services, visitor, credential_id, kind=CredentialKind.API_KEY)
    waiting = await unfinished_about(services, credential.id)
    if waiting is not None:
        view = await viewed(http, waiting.id, visitor, services)
        try:
            await view.send(Cancel(actor=visitor.actor), key=key)
        except DomainError as error:
            return await (await view.again()).show(error=error)
    return await ask_edit(http, visitor, services, credential_id)


@router.post("/{credential_id}/edit")
async def edit(
    http: Request,
    visitor: UsedVisitor,
    services: UsedServices,
    credential_id: UUID,
    asked: UsedAsked,
    acknowledged: Tick = "",
    key: Key = "",
) -> Response:
    """Save: begin the edit."""
    credential = await credential_of(services, visitor, credential_id, kind=CredentialKind.API_KEY)
    opener = partial(
        opening.edit_api_key,
        credential_id=credential_id,
        acknowledged=bool(acknowledged),
        **asdict(asked),
    )
    said = {**asked.typed, "acknowledged": acknowledged}
    return await begin(
        http, services, visitor, opener, key=key, said=said, form="panels/edit_api_key.html", credential=credential
    )


async def _form(http: Request, services: Services, visitor: Visitor, chosen: tuple[Permission, ...]) -> Response:
    asked = Asked(list(chosen), "", "")
    return await first_of_all(http, services, visitor, None, doing="create an API key") or await panel(
        http, "panels/new_api_key.html", visitor=visitor, name="", error=None, **asked.typed
    )
