"""Settings, API Keys Management: the lists, and the pop-ups that begin a journey of an API key."""

from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response

from api.pages.beginning import Key, begin, first_of_all
from api.pages.listing import Search, listed
from api.pages.looking_up import credential_of, unfinished_about
from api.pages.rendering import fragment, page, panel
from api.pages.viewing import viewed
from api.pages.visitors import UsedVisitor, Visitor, limited
from api.quotas import Quota
from api.services import Services, UsedServices
from countersign.domain.credentials import CredentialKind
from countersign.domain.errors import DomainError, InvalidInput
from countersign.domain.messages import Cancel
from countersign.domain.permissions import BOT_PRESET, Permission, funds_permissions
from countersign.domain.whitelist import parse_whitelist
from countersign.effects import opening
from countersign.storage.credentials import Credential

router = APIRouter(prefix="/settings/api-keys", include_in_schema=False)

Name = Annotated[str, Form(max_length=1000)]
Levels = Annotated[list[str], Form(max_length=100)]
Whitelist = Annotated[str, Form()]  # the limit of bodies is its limit, and the rules say what is wrong with it
Tick = Annotated[str, Form(max_length=8)]
_SUMMED_UP_CHARACTERS = 8_000


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
    name: Name = "",
    permissions: Levels = [],  # noqa: B006 - FastAPI copies it
    ip_whitelist: Whitelist = "",
    key: Key = "",
) -> Response:
    """CREATE API Key."""
    opener = partial(opening.create_api_key, name=name, permissions=permissions, ip_whitelist=ip_whitelist)
    typed = {"name": name, "chosen": permissions, "ip_whitelist": ip_whitelist}
    return await begin(http, services, visitor, opener, key=key, said=typed, form="panels/new_api_key.html")


@router.post("/understood", dependencies=[limited(Quota.PREVIEWS)])
async def understand(
    visitor: UsedVisitor,
    services: UsedServices,
    permissions: Levels = [],  # noqa: B006 - FastAPI copies it
    ip_whitelist: Whitelist = "",
    credential_id: Annotated[UUID | None, Form()] = None,
) -> Response:
    """Show how the whitelist is understood, what an edit changes, and what is unwise."""
    if len(ip_whitelist) > _SUMMED_UP_CHARACTERS:
        # Every key that is pressed asks for this.
        return fragment("parts/understood.html", **_too_long())
    before = None
    if credential_id is not None:
        before = await credential_of(services, visitor, credential_id, kind=CredentialKind.API_KEY)
    context = _understood(permissions, ip_whitelist, before=before, limit=services.settings.rules.whitelist_entries)
    return fragment("parts/understood.html", **context)


@router.get("/{credential_id}/edit")
async def ask_edit(http: Request, visitor: UsedVisitor, services: UsedServices, credential_id: UUID) -> Response:
    """Edit: the form with the present permissions and whitelist."""
    credential = await credential_of(services, visitor, credential_id, kind=CredentialKind.API_KEY)
    return await first_of_all(http, services, visitor, credential, doing="edit this API key") or await panel(
        http,
        "panels/edit_api_key.html",
        visitor=visitor,
        credential=credential,
        chosen=list(credential.permissions),
        ip_whitelist="\n".join(credential.ip_whitelist),
        acknowledged="",
        error=None,
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
    permissions: Levels = [],  # noqa: B006 - FastAPI copies it
    ip_whitelist: Whitelist = "",
    acknowledged: Tick = "",
    key: Key = "",
) -> Response:
    """Save: begin the edit."""
    credential = await credential_of(services, visitor, credential_id, kind=CredentialKind.API_KEY)
    opener = partial(
        opening.edit_api_key,
        credential_id=credential_id,
        permissions=permissions,
        ip_whitelist=ip_whitelist,
        acknowledged=bool(acknowledged),
    )
    typed = {"chosen": permissions, "ip_whitelist": ip_whitelist, "acknowledged": acknowledged}
    return await begin(
        http, services, visitor, opener, key=key, said=typed, form="panels/edit_api_key.html", credential=credential
    )


def _understood(permissions: list[str], ip_whitelist: str, *, before: Credential | None, limit: int) -> dict[str, Any]:
    """Return how the form is understood: entries or what is wrong with them, changes, and whether it is unwise."""
    try:
        entries, error = parse_whitelist(ip_whitelist, limit=limit), None
    except DomainError as problem:
        entries, error = (), problem
    chosen = [level for level in Permission if level in {*permissions, Permission.READ}]
    return {
        "entries": entries,
        "error": error,
        "unwise": not entries and error is None and bool(funds_permissions(chosen)),
        "changes": _changes(before, chosen, entries) if before is not None and error is None else None,
    }


def _too_long() -> dict[str, Any]:
    detail = f"Over {_SUMMED_UP_CHARACTERS} characters are not summed up here: send the form to hear what is wrong."
    return {"entries": (), "error": InvalidInput(detail), "unwise": False, "changes": None}


def _changes(before: Credential, chosen: list[Permission], entries: tuple[str, ...]) -> dict[str, Any]:
    return {
        "levels_added": [level for level in chosen if level not in before.permissions],
        "levels_removed": [level for level in before.permissions if level not in chosen],
        "entries_added": [entry for entry in entries if entry not in before.ip_whitelist],
        "entries_removed": [entry for entry in before.ip_whitelist if entry not in entries],
        "any_ip": bool(before.ip_whitelist) and not entries,
    }


async def _form(http: Request, services: Services, visitor: Visitor, chosen: tuple[Permission, ...]) -> Response:
    return await first_of_all(http, services, visitor, None, doing="create an API key") or await panel(
        http, "panels/new_api_key.html", visitor=visitor, name="", chosen=chosen, ip_whitelist="", error=None
    )
