"""Refuses bodies that are too large before anything reads them, and marks answers as not to be stored."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem_response
from countersign.domain.errors import DomainError


class BodyTooLarge(DomainError):
    """The body is too large."""

    slug = "body-too-large"
    status = 413


class BodyLimit:
    """ASGI middleware: 413 for bodies over ``limit`` bytes, whether they tell their length or not."""

    def __init__(self, app: ASGIApp, *, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, unless its body is too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await self._read(receive, declared=_content_length(scope))
        if body is None:
            error = BodyTooLarge(f"A body has at most {self._limit} bytes.", limit=self._limit)
            await problem_response(error)(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)

    async def _read(self, receive: Receive, *, declared: int) -> bytes | None:
        if declared > self._limit:
            return None
        body = b""
        while True:
            message = await receive()
            body += bytes(message.get("body", b""))
            if len(body) > self._limit:
                return None
            if not message.get("more_body", False):
                return body


class NoStore:
    """ASGI middleware: ``Cache-Control: no-store`` on every answer, since all of them are personal."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and mark the answer."""

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [(name, value) for name, value in message["headers"] if name.lower() != b"cache-control"]
                message["headers"] = [*kept, (b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
            await send(message)

        await self._app(scope, receive, send_marked)


def _content_length(scope: Scope) -> int:
    declared = dict(scope["headers"]).get(b"content-length", b"0")
    return int(declared) if declared.isdigit() else 0


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replayed() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
