"""Where the link in the activation mail leads: a page whose button activates. A GET never does; scanners follow links.

The link's token stands behind the ``#``, which no server sees; the page's script puts it into the form.
"""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response

from api.addressing import deliver, message_key
from api.pages.beginning import Key
from api.pages.rendering import page, panel
from api.pages.visitors import UsedVisitor, Visitor, limited, visitor
from api.quotas import Quota
from api.schemas import RequestOut
from api.services import Services, UsedServices, now
from countersign.domain.errors import DomainError, InvalidLink, NotTheRequester, SessionEnded
from countersign.domain.messages import ActivationCode
from countersign.effects.work import found
from countersign.storage import credentials, requests, users
from countersign.storage.accounts import Account
from countersign.storage.requests import Request as Stored

router = APIRouter(prefix="/activate", include_in_schema=False)

_LONGEST_TOKEN = 128

Token = Annotated[str, Form(max_length=1000)]


@router.get("/{request_id}")
async def open_link(http: Request, request_id: UUID, services: UsedServices) -> Response:
    """Show what the link would activate, or the way to sign in; changes nothing."""
    try:
        person = await visitor(http, services)
    except SessionEnded:
        # No redirect: the browser would take the fragment, and the token in it, along to the identity provider.
        return await page(http, "activation_link_sign_in.html", request_id=request_id)
    return await _show(http, services, person, request_id)


@router.post("/{request_id}", dependencies=[limited(Quota.CODES)])
async def activate(
    http: Request,
    request_id: UUID,
    visitor: UsedVisitor,
    services: UsedServices,
    token: Token = "",
    key: Key = "",
) -> Response:
    """Activate by the link's token, and show what the key may do now."""
    stored, account = await _reached(services, visitor, request_id)
    if stored is None or account is None:
        return await _show(http, services, visitor, request_id)
    if stored.user_id != visitor.user.id:
        return await _show(http, services, visitor, request_id, error=NotTheRequester())
    try:
        shown = await _send(services, visitor, stored, token=token, key=key)
    except DomainError as error:
        kept = "" if isinstance(error, InvalidLink) else token
        return await _show(http, services, visitor, request_id, error=error, token=kept, key=key)
    return await panel(http, "panels/outcome.html", visitor=visitor, changed=True, shown=shown, error=None)


async def _send(services: Services, visitor: Visitor, stored: Stored, *, token: str, key: str) -> RequestOut:
    if not 0 < len(token) <= _LONGEST_TOKEN:
        raise InvalidLink
    keyed = message_key(services.core.keys, visitor.actor, key or None, said=f"{stored.id}\n{token}")
    return await deliver(services, stored, ActivationCode(actor=visitor.actor, link_token=token), key=keyed)


async def _show(
    http: Request,
    services: Services,
    visitor: Visitor,
    request_id: UUID,
    *,
    error: DomainError | None = None,
    token: str = "",
    key: str = "",
) -> Response:
    stored, account = await _reached(services, visitor, request_id)
    if stored is None or account is None:
        return await panel(http, "panels/activation_link_strange.html", visitor=visitor, status=404)
    context: dict[str, Any] = {
        "shown": RequestOut.of(stored, rules=services.settings.rules, at=now()),
        "account": account,
        "mine": stored.user_id == visitor.user.id,
        **await _about(services, stored),
        "error": error,
        "token": token,
        "key": key,
    }
    status = error.status if error else 200
    return await panel(http, "panels/activation_link.html", visitor=visitor, status=status, **context)


async def _reached(services: Services, visitor: Visitor, request_id: UUID) -> tuple[Stored | None, Account | None]:
    # Whichever of their accounts the visitor looks at just now: the mail does not know.
    async with services.core.database.connection() as connection:
        stored = await requests.get(connection, request_id)
    account_id = stored.account_id if stored else None
    return stored, next((each for each in visitor.owned if each.id == account_id), None)


async def _about(services: Services, stored: Stored) -> dict[str, Any]:
    async with services.core.database.connection() as connection:
        beginner = found(await users.get(connection, stored.user_id))
        credential = await credentials.get(connection, account_id=stored.account_id, credential_id=stored.credential_id)
    return {
        "beginner": beginner.name,
        "remains": credential is not None,
        "public_id": credential.public_id if credential else None,
    }
