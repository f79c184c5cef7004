"""The local stack's inbox for people: SMS and mails that would have gone out, with codes easy to copy."""

import hashlib
import re
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from markupsafe import Markup, escape

from api.pages.rendering import is_fragment, page
from api.services import UsedServices
from countersign.adapters.local_inbox import InboxMessage
from countersign.domain.errors import NotFound

router = APIRouter(include_in_schema=False)

_SHOWN = 50
_REMEMBERED = 500
_LINK = re.compile(r"https?://[^\s<>\"]+")
_CODE = re.compile(r"\b\d{6}\b")


@router.get("/local/messages")
async def look(
    http: Request,
    services: UsedServices,
    to: Annotated[str, Query(max_length=320)] = "",
    state: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """Show SMS and mails, newest first; nothing (204) to an open page that shows them already."""
    if services.inbox is None:
        raise NotFound
    everything = await services.inbox.messages(limit=_REMEMBERED)
    messages = await services.inbox.messages(to=to or None, limit=_SHOWN)
    if is_fragment(http) and state == state_of(messages):
        return Response(status_code=204)
    return await page(
        http,
        "inbox.html",
        messages=[(each, code_in(each), with_links(each.text)) for each in messages],
        to=to,
        recipients=sorted({each.to for each in everything} | ({to} if to else set())),
        state=state_of(messages),
    )


def state_of(messages: list[InboxMessage]) -> str:
    """Return what differs whenever the messages do."""
    ids = "\n".join(each.id for each in messages)
    return hashlib.sha256(ids.encode()).hexdigest()[:16]


def code_in(message: InboxMessage) -> str | None:
    """Return the code that the message carries; six digits of a link are none."""
    found = _CODE.search(_LINK.sub("", message.text))
    return found[0] if found else None


def with_links(text: str) -> Markup:
    """Return the text for a page, its links clickable."""
    parts, at = [], 0
    for link in _LINK.finditer(text):
        parts += [escape(text[at : link.start()]), Markup('<a href="{0}">{0}</a>').format(link[0])]
        at = link.end()
    return Markup("").join([*parts, escape(text[at:])])
