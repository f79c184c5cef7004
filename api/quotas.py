"""Quotas: how often one caller may call within a minute, and what answers tell of it.

They are kept in this process: with several behind one balancer, a caller has as many times the quota. What must hold
exactly (codes, requests and SMS of an account) is counted in the database.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address, ip_address
from math import ceil
from uuid import UUID

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from countersign.domain.errors import InvalidLink, NotSignedIn, TooManyCalls
from countersign.settings import Quotas

_WINDOW_SECONDS = 60
_SUBSCRIBER_BITS = 64
_TOLD = "quotas"


class Quota(StrEnum):
    """What is counted by itself; each is a field of ``Quotas``."""

    SIGN_IN = "sign_in"
    UNPROVEN = "unproven"
    CODES = "codes"
    STARTS = "starts"
    PREVIEWS = "previews"
    CODEC = "codec"


@dataclass(frozen=True)
class Spent:
    """How a caller stands with a quota after a call."""

    quota: Quota
    amount: int
    remaining: int
    reset_seconds: int

    @property
    def limit(self) -> str:
        """The item of the header field RateLimit (draft-ietf-httpapi-ratelimit-headers-10, a structured field)."""
        return f'"{self.quota}";r={self.remaining};t={self.reset_seconds}'

    @property
    def policy(self) -> str:
        """The item of the header field RateLimit-Policy."""
        return f'"{self.quota}";q={self.amount};w={_WINDOW_SECONDS}'


class Limiter:
    """Counts the calls of one process in a moving window of a minute."""

    def __init__(self, quotas: Quotas) -> None:
        self._amounts = {quota: getattr(quotas, quota) for quota in Quota}
        self._counter: MovingWindowRateLimiter | None = None

    async def spend(self, request: Request, quota: Quota, *, address: str | None, person: UUID | None = None) -> None:
        """Count one call; raises ``TooManyCalls`` for one too many."""
        amount = self._amounts[quota]
        if not amount:
            return
        item, counter = RateLimitItemPerSecond(amount, _WINDOW_SECONDS, quota), self._opened()
        caller = (neighbourhood(address), str(person or "nobody"))
        is_in_time = await counter.hit(item, *caller)
        window = await counter.get_window_stats(item, *caller)
        reset_seconds = max(1, ceil(window.reset_time - time.time()))
        told = request.scope.setdefault("state", {}).setdefault(_TOLD, [])
        told.append(Spent(quota, amount, remaining=max(0, window.remaining), reset_seconds=reset_seconds))
        if not is_in_time:
            raise TooManyCalls(f"Try again in {reset_seconds} seconds.", retry_after=reset_seconds)

    @asynccontextmanager
    async def proving(self, request: Request, *, address: str | None) -> AsyncIterator[None]:
        """Count a block that ends in ``NotSignedIn`` or ``InvalidLink`` against the address; a proof is let through.

        Once the quota is spent ``TooManyCalls`` is raised instead.
        """
        try:
            yield
        except (NotSignedIn, InvalidLink):
            await self.spend(request, Quota.UNPROVEN, address=address)
            raise

    def _opened(self) -> MovingWindowRateLimiter:
        # Not before there is an event loop: the storage keeps a task of its own.
        if self._counter is None:
            self._counter = MovingWindowRateLimiter(MemoryStorage())
        return self._counter


class RateLimitHeaders:
    """ASGI middleware: tells in every answer of a limited route how the caller stands."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and complete the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told: list[Spent] = scope.setdefault("state", {}).setdefault(_TOLD, [])

        async def send_told(message: Message) -> None:
            if message["type"] == "http.response.start" and told:
                headers = MutableHeaders(scope=message)
                headers.append("RateLimit", ", ".join(each.limit for each in told))
                headers.append("RateLimit-Policy", ", ".join(each.policy for each in told))
            await send(message)

        await self._app(scope, receive, send_told)


def limiter(request: Request) -> Limiter:
    """Return the counter of this process."""
    found: Limiter = request.app.state.limiter
    return found


def neighbourhood(address: str | None) -> str:
    """Return what counts as one address: an IPv4 address, or the /64 that one IPv6 subscriber has (RFC 6177)."""
    if address is None:
        return "unknown"
    found = ip_address(address)
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    shift = found.max_prefixlen - _SUBSCRIBER_BITS
    return f"{IPv6Address(int(found) >> shift << shift)}/{_SUBSCRIBER_BITS}"
