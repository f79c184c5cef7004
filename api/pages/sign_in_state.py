"""What a browser carries to the identity provider and back: sealed, in a cookie of its own, for ten minutes."""

import base64
import binascii
import json
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api.services import Services, now
from countersign.adapters.keyring import Purpose, SealBroken
from countersign.settings import Settings

_BOUND_TO = "sign-in"
_LIFETIME = timedelta(minutes=10)


def open_state(request: Request, parts: Services) -> dict[str, Any]:
    """Return what was kept before the person left, empty if nothing was, and let it be ``request.session``."""
    state: dict[str, Any] = {}
    try:
        sealed = base64.urlsafe_b64decode(request.cookies.get(_cookie_name(parts.settings), ""))
        kept = json.loads(parts.core.keys.open(Purpose.SIGN_IN, sealed, bound_to=_BOUND_TO))
        # The browser forgets the cookie after that time; whoever copied it does not.
        state = kept["state"] if kept["until"] > now().timestamp() else {}
    except (binascii.Error, ValueError, SealBroken):
        pass
    request.scope["session"] = state
    return state


def keep_state(request: Request, parts: Services, response: Response) -> None:
    """Give ``request.session`` to the browser."""
    kept = {"state": request.session, "until": (now() + _LIFETIME).timestamp()}
    sealed = parts.core.keys.seal(Purpose.SIGN_IN, json.dumps(kept).encode(), bound_to=_BOUND_TO)
    response.set_cookie(
        _cookie_name(parts.settings),
        base64.urlsafe_b64encode(sealed).decode(),
        max_age=int(_LIFETIME.total_seconds()),
        path="/",
        secure=parts.settings.is_https,
        httponly=True,
        samesite="lax",
    )


def forget_state(parts: Services, response: Response) -> None:
    """Let the browser forget it."""
    response.delete_cookie(
        _cookie_name(parts.settings), path="/", secure=parts.settings.is_https, httponly=True, samesite="lax"
    )


def _cookie_name(settings: Settings) -> str:
    # The prefix (RFC 6265bis, 4.1.3) keeps other hosts from planting a state of theirs; it asks for the path "/".
    return "__Host-countersign-sign-in" if settings.is_https else "countersign-sign-in"
