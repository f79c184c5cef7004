"""Answers nothing personal before it is proven that the keys of this process fit the database."""

import re
from collections.abc import Callable

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.limits import Refusal
from countersign.dispatch.key_watch import KeyWatch
from countersign.domain.errors import Unavailable
from countersign.effects.key_fitness import KeysUnfit

_WITHOUT_KEYS = re.compile(r"/healthz|/readyz|/metrics|/openapi\.json|/problems/.*|/static/.*")


class FittingKeys:
    """ASGI middleware: 503 while the keys do not fit, or nobody knows yet; ``watch`` returns who knows."""

    def __init__(self, app: ASGIApp, *, watch: Callable[[], KeyWatch], answer: Refusal) -> None:
        self._app = app
        self._watch = watch
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if it may be answered."""
        if scope["type"] == "http" and not _WITHOUT_KEYS.fullmatch(scope["path"]):
            try:
                await self._watch().require()
            except (KeysUnfit, Unavailable) as error:
                await self._answer(Request(scope), _told(error))(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _told(error: KeysUnfit | Unavailable) -> Unavailable:
    # Which key is at fault is for the log, not for whoever asks.
    if isinstance(error, KeysUnfit):
        return Unavailable("This part of the system does not work at present; nothing is lost, try again later.")
    return error
