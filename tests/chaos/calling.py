"""Calling the API as people and their programs do: whatever is not answered is sent again, with the same key."""

import asyncio
import random
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.chaos.town import Person

_PATIENCE_SECONDS = 150
_TIMEOUT_SECONDS = 12
_AGAIN = {502, 503}
_HASTY = 0.04  # so many of the calls are dropped by the caller right after they were sent


@dataclass(frozen=True)
class Call:
    """One thing that a person asked for: all tries of it, and the answer; status 0 is none at all."""

    person: Person = field(repr=False)
    method: str
    path: str
    key: str
    body: dict[str, Any] = field(repr=False)
    status: int
    answer: dict[str, Any] = field(repr=False)
    api: str
    began_at: float
    sent_at: float
    done_at: float
    tries: int
    means: str

    @property
    def accepted(self) -> bool:
        return 200 <= self.status < 300

    @property
    def changes(self) -> bool:
        return self.method != "GET"

    @property
    def request_id(self) -> str:
        """The request that the call is about."""
        return self.path.split("/")[3] if self.path.startswith("/v1/requests/") else str(self.answer.get("id", ""))

    @property
    def verb(self) -> str:
        """What is done to the request: ``two-factor-code``, ``cancel``, or the kind of start."""
        if self.method == "DELETE":
            return "cancel"
        words = self.path.split("/")
        return "/".join(words[4:]) if words[2] == "requests" else words[-1]


@dataclass
class Switchboard:
    """All API processes, and what was ever asked of them."""

    ports: dict[str, int]
    http: httpx.AsyncClient
    calls: list[Call] = field(default_factory=list)

    async def call(
        self,
        person: Person,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        means: str = "",
        key: str | None = None,
        chance: random.Random,
    ) -> Call:
        """Ask until there is an answer; ``means`` is what the person knows about it, for the checker."""
        key, began_at, tries = key or secrets.token_hex(8), time.time(), 0
        api, sent_at, status = "", began_at, 0
        answer: dict[str, Any] = {}
        while time.time() < began_at + _PATIENCE_SECONDS:
            tries, sent_at, api = tries + 1, time.time(), chance.choice(list(self.ports))
            patience = chance.uniform(0.002, 0.05) if tries == 1 and chance.random() < _HASTY else _TIMEOUT_SECONDS
            url = f"http://127.0.0.1:{self.ports[api]}{path}"
            response = await self._try(person, method, url, body, key=key, patience=patience)
            if response is not None and not _is_worth_another_try(response):
                status, answer = response.status_code, _as_mapping(response.json())
                break
            await asyncio.sleep(chance.uniform(0.1, 0.6))
        made = Call(
            person=person, method=method, path=path, key=key, body=body or {}, status=status,
            answer=answer, api=api, began_at=began_at,
            sent_at=sent_at, done_at=time.time(), tries=tries, means=means,
        )  # fmt: skip
        self.calls.append(made)
        return made

    async def _try(
        self, person: Person, method: str, url: str, body: object, *, key: str, patience: float
    ) -> httpx.Response | None:
        headers = {"Authorization": f"Bearer {person.token}", "Idempotency-Key": key}
        try:
            return await self.http.request(method, url, json=body, headers=headers, timeout=patience)
        except httpx.TransportError:
            return None


def _as_mapping(answer: Any) -> dict[str, Any]:
    return answer if isinstance(answer, dict) else {"items": answer}


def _is_worth_another_try(response: httpx.Response) -> bool:
    # After a 429 a new key is due, and the person looks again first.
    return response.status_code in _AGAIN
