"""Going through a journey over the HTTP API, so that the cost of every step is known by itself."""

from collections import Counter
from dataclasses import dataclass, field

import httpx

from tests.costs.statements import Statements
from tests.support.cast import Cast, Flow, Person
from tests.support.stage import settle

API = "API"


class Disturbed(Exception):
    """Something took too long on this machine, and was done again: what that costs says nothing of the product."""


@dataclass(frozen=True)
class Taken:
    """One step; its events end with ``last_event_id``, its statements are counted by who asked."""

    name: str
    last_event_id: int
    statements: dict[str, Counter[str]]


@dataclass
class Walk:
    """One journey of a new cast. After each step its workflow has settled, so nothing is shared or split by luck."""

    cast: Cast
    statements: Statements
    begun: Flow | None = None
    taken: list[Taken] = field(default_factory=list)

    @property
    def flow(self) -> Flow:
        assert self.begun is not None
        return self.begun

    async def begin(self, person: Person, path: str, body: object = None, **ids: str) -> None:
        """Start the request that all else is about."""
        response = await self._call(person, path, body, **ids)
        _expect(response, 202)
        self.begun = Flow(person, response.json()["id"], response.json()["workflow_id"])
        await self._end_step(f"POST {path}")

    async def say(self, what: str, body: object = None, *, answer: int = 200) -> None:
        """Send the request a message of the person who began it."""
        path = f"/requests/{{id}}{what}"
        _expect(await self._call(self.flow.person, path, body, id=self.flow.id), answer)
        await self._end_step(f"POST {path}")

    async def call(self, person: Person, path: str, body: object = None, *, verb: str = "POST", **ids: str) -> None:
        """Take any other step."""
        _expect(await self._call(person, path, body, verb=verb, **ids), 200)
        await self._end_step(f"{verb} {path}")

    async def _call(self, person: Person, path: str, body: object, *, verb: str = "POST", **ids: str) -> httpx.Response:
        with self.statements.by(API):
            return await person.call(verb, path.format(**ids), body)

    async def _end_step(self, name: str) -> None:
        await settle(self.flow)
        described = (await self.flow.handle.describe()).raw_description.workflow_execution_info
        number = len(self.taken) + 1
        self.taken.append(Taken(f"{number} {name}", described.history_length, self.statements.take()))


def _expect(response: httpx.Response, status: int) -> None:
    if response.status_code == 503:
        raise Disturbed(response.text)
    assert response.status_code == status, response.text
