"""Refuses heads and bodies that are too large or too slow before anything reads them; marks answers as not to store."""

import asyncio
import re
from collections.abc import Callable, Mapping

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem_response
from api.static_files import is_lasting
from countersign.domain.errors import (
    AddressTooLong,
    BodyTooLarge,
    BodyTooSlow,
    DomainError,
    HeadersTooLarge,
    Misdirected,
)
from countersign.settings import HttpLimits

_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1])(:[0-9]{1,5})?")

_FOR_EVER = b"public, max-age=31536000, immutable"
_FOUND = frozenset({200, 206, 304})

Refusal = Callable[[Request, DomainError], Response]


def as_problem(_request: Request, error: DomainError) -> Response:
    """Return the refusal as a problem, whoever asks."""
    return problem_response(error)


class HeadLimit:
    """ASGI middleware: 414 for addresses, and 431 for headers, that no client of ours sends."""

    def __init__(self, app: ASGIApp, *, limits: HttpLimits, answer: Refusal = as_problem) -> None:
        self._app = app
        self._limits = limits
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, unless its head is too large."""
        error = self._fault(scope) if scope["type"] == "http" else None
        if error is None:
            await self._app(scope, receive, send)
        else:
            await self._answer(Request(scope), error)(scope, receive, send)

    def _fault(self, scope: Scope) -> DomainError | None:
        longest, most, largest = self._limits.address_bytes, self._limits.headers, self._limits.head_bytes
        if len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"]) > longest:
            return AddressTooLong(f"An address has at most {longest} bytes.", limit=longest)
        if len(scope["headers"]) > most:
            return HeadersTooLarge(f"A request has at most {most} headers.", limit=most)
        if sum(len(name) + len(value) for name, value in scope["headers"]) > largest:
            return HeadersTooLarge(f"All headers together have at most {largest} bytes.", limit=largest)
        return None


class BodyLimit:
    """ASGI middleware: 413 for bodies over ``limit`` bytes, whether they tell their length or not; 408 for slow ones.

    ``limits`` holds the paths with a limit of their own, ``seconds`` is how long a body may take, ``answer`` makes the
    refusal.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limit: int,
        limits: Mapping[str, int],
        seconds: float = 20.0,
        answer: Refusal = as_problem,
    ) -> None:
        self._app = app
        self._limit = limit
        self._limits = limits
        self._seconds = seconds
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, unless its body is too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limits.get(scope["path"], self._limit)
        try:
            body = await self._read(receive, limit=limit, declared=_content_length(scope))
        except (BodyTooLarge, BodyTooSlow) as error:
            answer = self._answer(Request(scope), error)
            # Or what is still to come of the body would be taken for the next request.
            answer.headers["Connection"] = "close"
            await answer(scope, receive, send)
        except ClientDisconnect:
            return
        else:
            await self._app(scope, _replay(body, receive), send)

    async def _read(self, receive: Receive, *, limit: int, declared: int) -> bytes:
        try:
            async with asyncio.timeout(self._seconds):
                return await _read(receive, limit=limit, declared=declared)
        except TimeoutError:
            raise BodyTooSlow(f"A body has {self._seconds:g} seconds to come.") from None


class LoopbackOnly:
    """ASGI middleware: refuses requests that name another host, for a page elsewhere could reach loopback so."""

    def __init__(self, app: ASGIApp, *, answer: Refusal = as_problem) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if it was meant for this machine."""
        if scope["type"] == "http" and not _LOOPBACK.fullmatch(Headers(scope=scope).get("host", "")):
            await self._answer(Request(scope), Misdirected())(scope, receive, send)
            return
        await self._app(scope, receive, send)


class NoStore:
    """ASGI middleware: ``Cache-Control: no-store`` on every answer but static files: all others are personal."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and mark the answer."""

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [(name, value) for name, value in message["headers"] if name.lower() != b"cache-control"]
                lasting = message["status"] in _FOUND and is_lasting(scope["path"], scope["query_string"])
                message["headers"] = [*kept, (b"cache-control", _FOR_EVER if lasting else b"no-store")]
            await send(message)

        await self._app(scope, receive, send_marked)


async def _read(receive: Receive, *, limit: int, declared: int) -> bytes:
    body = b""
    more = declared <= limit
    while more:
        message = await receive()
        # A body that broke off must not pass for a whole one.
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += bytes(message.get("body", b""))
        more = message.get("more_body", False) and len(body) <= limit
    if max(len(body), declared) > limit:
        raise BodyTooLarge(f"A body has at most {limit} bytes.", limit=limit)
    return body


def _content_length(scope: Scope) -> int:
    # Cut, because Python refuses to read a number of thousands of digits; whatever is left is too large all the same.
    declared = dict(scope["headers"]).get(b"content-length", b"0")[:20]
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
