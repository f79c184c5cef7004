"""Signed-in browsers: a person sees his or her own, and signs the others out."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api.pages.rendering import page
from api.pages.visitors import UsedVisitor, session_work, token_hash
from api.services import UsedServices, now
from countersign.storage import sessions

router = APIRouter(prefix="/settings/sessions", include_in_schema=False)


@router.get("")
async def see(http: Request, visitor: UsedVisitor, services: UsedServices) -> Response:
    """Return the page with the browsers in which the person is signed in."""
    at = now()
    seen_since = at - services.settings.rules.session_idle
    async with services.core.database.connection() as connection:
        found = await sessions.of_user(connection, visitor.user.id, at=at, seen_since=seen_since)
    return await page(http, "sessions.html", visitor=visitor, sessions=found, this=token_hash(visitor.token))


@router.post("/end-others")
async def end_others(visitor: UsedVisitor, services: UsedServices) -> Response:
    """Sign out all browsers but this one."""
    await session_work(services, visitor).end_others(token_hash(visitor.token))
    return RedirectResponse("/settings/sessions", status_code=303)
