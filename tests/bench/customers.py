"""(c): the real creation, as customers go through it over HTTP."""

import asyncio
import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import aiohttp

from tests.bench.clocks import Laps
from tests.bench.providers import Inbox
from tests.chaos.town import Person

_PAUSE_SECONDS = 0.1


class NotNow(Exception):
    """The service says that the same may be sent again."""


@dataclass(frozen=True)
class Customers:
    """Everyone has an account of his or her own; who is free goes through the next creation."""

    http: aiohttp.ClientSession
    inbox: Inbox
    free: "asyncio.Queue[Person]"
    sent_again: list[str] = field(default_factory=list)

    async def create_api_key(self) -> Laps:
        """Go through a creation with SMS code and email activation; return how long each step took."""
        person = await self.free.get()
        try:
            return await Visit(self, person).create_api_key()
        finally:
            self.free.put_nowait(person)


@dataclass(frozen=True)
class Visit:
    """One person's way through the API."""

    customers: Customers
    person: Person

    async def create_api_key(self) -> Laps:
        """Return how long each step took, and the wait for both codes."""
        laps, verifier = Laps(), secrets.token_urlsafe(32)
        body = {"name": f"bench {secrets.token_hex(6)}", "permissions": ["trade"], "ip_whitelist": "203.0.113.7"}
        with laps.lap("start"):
            request = await self.post("/v1/api-keys", body)
        about = f"/v1/requests/{request['id']}"
        with laps.lap("wait for the SMS"):
            code = await self.customers.inbox.code(self.person.phone)
        with laps.lap("two_factor_code"):
            await self.post(f"{about}/two-factor-code", {"code": code, "reveal_challenge": challenge(verifier)})
        with laps.lap("reveal"):
            await self.post(f"{about}/secret", {"reveal_verifier": verifier})
        with laps.lap("secret_saved"):
            await self.post(f"{about}/secret-saved")
        with laps.lap("activate"):
            await self.post(f"{about}/activation", {"when": "now"})
        with laps.lap("wait for the mail"):
            code = await self.customers.inbox.code(request["id"])
        with laps.lap("activation_code"):
            done = await self.post(f"{about}/activation-code", {"code": code})
        if done["outcome"] != "activated":
            raise RuntimeError(f"the creation ended {done['outcome']}")
        return laps

    async def post(self, path: str, body: dict[str, Any] | None = None, *, key: str = "") -> dict[str, Any]:
        """Return the answer, asking again while it is 503; raises ``RuntimeError`` unless it is a success."""
        key = key or secrets.token_hex(8)
        while True:
            try:
                answer: dict[str, Any] = await self._call("POST", path, body, key=key)
            except NotNow:
                self.customers.sent_again.append(path)
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return answer

    async def get(self, path: str) -> Any:
        """Return the answer; raises ``RuntimeError`` unless it is a success."""
        return await self._call("GET", path, None, key="")

    async def _call(self, method: str, path: str, body: dict[str, Any] | None, *, key: str) -> Any:
        headers = {"Authorization": f"Bearer {self.person.token}", **({"Idempotency-Key": key} if key else {})}
        async with self.customers.http.request(method, path, json=body, headers=headers) as response:
            answer = await response.json()
            if response.status == HTTPStatus.SERVICE_UNAVAILABLE:
                raise NotNow
            if not response.ok:
                raise RuntimeError(f"{path}: {response.status} {answer.get('type')}")
            return answer


def challenge(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
