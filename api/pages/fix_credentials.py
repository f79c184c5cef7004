"""+ NEW FIX CREDENTIALS: FOR TRADE SESSION or FOR MARKET DATA SESSION."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from api.pages.beginning import Key, begin, first_of_all
from api.pages.rendering import panel
from api.pages.visitors import UsedVisitor
from api.services import UsedServices
from countersign.domain.credentials import SessionType
from countersign.effects import opening

router = APIRouter(prefix="/settings/fix-credentials", include_in_schema=False)


@router.get("/new")
async def ask_new(http: Request, visitor: UsedVisitor, services: UsedServices) -> Response:
    """Ask which type, or show the way to enable two-factor authentication first."""
    return await first_of_all(http, services, visitor, None, doing="create FIX credentials") or await panel(
        http, "panels/new_fix_credentials.html", visitor=visitor, error=None
    )


@router.post("/new")
async def create(
    http: Request,
    visitor: UsedVisitor,
    services: UsedServices,
    session_type: Annotated[SessionType, Form()],
    key: Key = "",
) -> Response:
    """Begin the creation that the button names."""
    opener = partial(opening.create_fix_credentials, session_type=session_type)
    said = {"session_type": session_type}
    return await begin(http, services, visitor, opener, key=key, said=said, form="panels/new_fix_credentials.html")
