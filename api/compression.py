"""Compresses what is long and holds no secret."""

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_LONG = ("/static/", "/settings/api-keys", "/account-manager", "/ops/")
_LEVEL = 5


class Compressed:
    """ASGI middleware: gzip for lists and static files.

    Never for answers that hold a secret: their length would tell of it to whoever can add text beside it (BREACH).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._compressing = GZipMiddleware(app, minimum_size=1024, compresslevel=_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, to be compressed if it may be."""
        may_be = scope["type"] == "http" and scope["method"] == "GET" and scope["path"].startswith(_LONG)
        await (self._compressing if may_be else self._app)(scope, receive, send)
