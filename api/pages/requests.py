"""One request as its person goes through it: what each step's panel sends."""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Response

from api.pages.beginning import Key
from api.pages.rendering import is_fragment, panel
from api.pages.viewing import UsedView, Viewed, state_of
from api.pages.visitors import limited
from api.quotas import Quota
from api.schemas import RequestOut
from api.services import now
from countersign.domain.errors import DomainError, InvalidInput, RequestClosed, Unavailable
from countersign.domain.messages import (
    Activate,
    ActivateLater,
    ActivationCode,
    AnyMessage,
    Cancel,
    ResendCode,
    SecretSaved,
    TwoFactorCode,
)
from countersign.domain.requests import Outcome, Step

router = APIRouter(prefix="/settings/requests", include_in_schema=False)

Code = Annotated[str, Form(max_length=32)]
_CODES = [limited(Quota.CODES)]


@router.get("/{request_id}")
async def see(view: UsedView, state: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Show where the request stands; nothing (204) to an open panel that shows it already."""
    shown = RequestOut.of(view.stored, rules=view.services.settings.rules, at=now())
    if is_fragment(view.http) and state == state_of(shown):
        return Response(status_code=204)
    return await view.show()


@router.post("/{request_id}/two-factor-code", dependencies=_CODES)
async def enter_two_factor_code(
    view: UsedView, code: Code = "", step: Annotated[Step | None, Form()] = None, key: Key = ""
) -> Response:
    """Take the two-factor code; a creation answers it with the secret, a change of two-factor with recovery codes."""
    visitor, challenge = view.visitor, view.visitor.reveal_challenge(view.stored.id)
    message = TwoFactorCode(actor=visitor.actor, code=code, step=step, reveal_challenge=challenge)
    try:
        after = await view.send(message, key=key)
    except DomainError as error:
        return await (await view.again()).show(error=error)
    if after.stored.step is Step.SECRET_SAVED:
        return await after.show_secret()
    return await after.changed() if after.stored.outcome is Outcome.CHANGED else await after.answer()


@router.post("/{request_id}/resend", dependencies=_CODES)
async def resend(view: UsedView, key: Key = "") -> Response:
    """Resend: a new code, or the authenticator's window anew."""
    return await _sent(view, ResendCode(actor=view.visitor.actor), key=key)


@router.post("/{request_id}/secret", dependencies=_CODES)
async def show_secret(view: UsedView) -> Response:
    """Show the secret: for the first time, or again within two minutes."""
    return await view.show_secret()


@router.post("/{request_id}/secret-saved")
async def tick_saved(view: UsedView, key: Key = "", saved: Annotated[str, Form(max_length=8)] = "") -> Response:
    """Take the tick; the secret stays on the page that shows it until its buttons are pressed."""
    _require_tick(saved)
    await view.send(SecretSaved(actor=view.visitor.actor), key=key)
    return Response(status_code=204, headers={"HX-Trigger": "changed"})


@router.post("/{request_id}/activation")
async def choose_activation(
    view: UsedView,
    key: Key = "",
    when: Annotated[str, Form(pattern="^(now|later)$")] = "later",
    saved: Annotated[str, Form(max_length=8)] = "",
) -> Response:
    """ACTIVATE or ACTIVATE LATER; the tick that stands beside the buttons goes first."""
    actor = view.visitor.actor
    try:
        if view.stored.step is Step.SECRET_SAVED:
            _require_tick(saved)
            view = await view.send(SecretSaved(actor=actor), key=key)
        view = await view.send(Activate(actor=actor) if when == "now" else ActivateLater(actor=actor), key=key)
    except DomainError as error:
        after = await view.again()
        goes_on = isinstance(error, Unavailable) or after.stored.step is Step.SECRET_SAVED
        if is_fragment(view.http) and goes_on and not isinstance(error, RequestClosed):
            raise  # or the answer would take the place of the secret, which is shown still when the tick was sent
        return await after.show(error=error)
    return await view.answer()


@router.post("/{request_id}/activation-code", dependencies=_CODES)
async def enter_activation_code(view: UsedView, code: Code = "", key: Key = "") -> Response:
    """Take the code from the mail."""
    return await _sent(view, ActivationCode(actor=view.visitor.actor, code=code), key=key)


@router.get("/{request_id}/cancel")
async def ask_cancel(view: UsedView) -> Response:
    """Ask before cancelling, and say what it does."""
    shown = RequestOut.of(view.stored, rules=view.services.settings.rules, at=now())
    if shown.outcome is not None:
        return await view.show()
    return await panel(view.http, "panels/cancel.html", visitor=view.visitor, shown=shown, error=None)


@router.post("/{request_id}/cancel")
async def cancel(view: UsedView, key: Key = "") -> Response:
    """Cancel the request; any owner of the account may."""
    return await _sent(view, Cancel(actor=view.visitor.actor), key=key)


async def _sent(view: Viewed, message: AnyMessage, *, key: str) -> Response:
    try:
        after = await view.send(message, key=key)
    except DomainError as error:
        return await (await view.again()).show(error=error)
    return await after.answer()


def _require_tick(saved: str) -> None:
    if not saved:
        raise InvalidInput("Tick that you have saved it first; it is not shown again.")
