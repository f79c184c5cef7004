"""Account security: how a person confirms, and changing it."""

from functools import partial
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Form, Request, Response

from api.pages.beginning import Key, begin
from api.pages.rendering import page, panel
from api.pages.viewing import UsedView
from api.pages.visitors import UsedVisitor, Visitor, limited, token_hash
from api.quotas import Quota
from api.services import UsedServices
from countersign.domain.errors import DomainError
from countersign.domain.messages import RecoveryCode
from countersign.domain.requests import ChangeTo, Outcome
from countersign.effects import security
from countersign.effects.security import TwoFactorChange

router = APIRouter(prefix="/settings", include_in_schema=False)


@router.get("/security")
async def see(http: Request, visitor: UsedVisitor, services: UsedServices) -> Response:
    """Return the page with the two-factor method, the recovery codes left, and what can be changed."""
    if not visitor.is_owner:
        return await page(http, "not_for_you.html", visitor=visitor)
    async with services.core.database.connection() as connection:
        standing = await security.standing(connection, visitor.user.id)
    return await page(http, "security.html", visitor=visitor, standing=standing)


@router.get("/security/{to}")
async def ask(http: Request, visitor: UsedVisitor, to: ChangeTo) -> Response:
    """Ask for what the change needs, and say what it does."""
    _ = visitor.owner
    return await panel(http, "panels/change_two_factor.html", visitor=visitor, to=to, phone="", error=None)


@router.post("/security/{to}")
async def change(
    http: Request,
    visitor: UsedVisitor,
    services: UsedServices,
    to: ChangeTo,
    phone: Annotated[str, Form(max_length=64)] = "",
    key: Key = "",
) -> Response:
    """Begin the change."""
    opener = partial(security.open_change, change=_change_of(visitor, to, phone.strip() or None))
    said = {"to": to, "phone": phone}
    return await begin(http, services, visitor, opener, key=key, said=said, form="panels/change_two_factor.html")


@router.post("/requests/{request_id}/recovery-code", dependencies=[limited(Quota.CODES)])
async def enter_recovery_code(
    view: UsedView, code: Annotated[str, Form(max_length=32)] = "", key: Key = ""
) -> Response:
    """Take a recovery code in place of the present factor's code."""
    challenge = view.visitor.reveal_challenge(view.stored.id)
    message = RecoveryCode(actor=view.visitor.actor, code=code, reveal_challenge=challenge)
    try:
        after = await view.send(message, key=key)
    except DomainError as error:
        return await (await view.again()).show(error=error)
    return await after.changed() if after.stored.outcome is Outcome.CHANGED else await after.answer()


@router.post("/requests/{request_id}/recovery-codes", dependencies=[limited(Quota.CODES)])
async def show_recovery_codes(view: UsedView) -> Response:
    """Show new recovery codes; they stand in this answer alone."""
    return await view.show_recovery_codes()


def _change_of(visitor: Visitor, to: ChangeTo, phone: str | None) -> TwoFactorChange:
    # Named here, since the verifier that ties the change to this session is derived from its request's id.
    request_id = uuid4()
    return TwoFactorChange(
        to=to,
        phone=phone,
        reveal_challenge=visitor.reveal_challenge(request_id),
        kept_session=token_hash(visitor.token),
        request_id=request_id,
    )
