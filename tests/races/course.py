"""Running a race many times in several lanes, and judging all of it afterwards."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import pytest

from countersign.auditing.verifying import Verifier
from countersign.domain.audit_chain import Finding
from countersign.local.issuer import Issuer
from countersign.storage import accounts
from countersign.storage.audit_reading import snapshot
from tests.races.lanes import Lane
from tests.races.meeting import Start
from tests.security.invariants import check_trails
from tests.support.cast import Cast
from tests.support.patience import eventually
from tests.support.rows import select
from tests.support.stage import Stage

TIMES = pytest.mark.parametrize("times", [2, pytest.param(200, marks=pytest.mark.prove)])
_LEADS = (-0.03, 0.1, 0.0, 0.04)
_TRIES_FOR_BOTH_ORDERS = 60

Race = Callable[[Lane], Awaitable[str]]


@dataclass(frozen=True)
class Course:
    """A stack whose database holds nothing but races."""

    stage: Stage
    issuer: Issuer
    database_url: str

    async def run(self, race: Race, *, times: int, sides: tuple[str, str]) -> None:
        """Run the race ``times`` and on until each side has come first; then judge database and audit trails."""
        lanes = await self._lanes(times)
        came_first = Counter[str]()
        while came_first.total() < times or (
            set(came_first) != set(sides) and came_first.total() < times + _TRIES_FOR_BOTH_ORDERS
        ):
            winners = await asyncio.gather(*map(race, lanes))
            for lane, winner in zip(lanes, winners, strict=True):
                lane.start.note(first_came=winner == sides[0])
            came_first.update(winners)
        print(dict(came_first))  # noqa: T201 - `make prove ARGS=-rP` shows how often each side came first
        assert set(came_first) == set(sides)
        await self._judge(lanes)

    async def repeat(self, trial: Callable[[Lane], Awaitable[None]], *, times: int) -> None:
        """Run what has no order that could be seen ``times``; then judge."""
        lanes = await self._lanes(times)
        for _ in range(times // len(lanes)):
            await asyncio.gather(*map(trial, lanes))
        await self._judge(lanes)

    async def _lanes(self, times: int) -> list[Lane]:
        return [await self._lane(lead) for lead in _LEADS[:times]]

    async def _lane(self, lead: float) -> Lane:
        core, http = self.stage.core, self.stage.cast.owner.http
        cast = await Cast.enter(core, http=http, issuer=self.issuer, providers=self.stage.cast.providers)
        assert cast.owner.account_id
        async with core.database.connection() as connection:
            await accounts.assign_manager(
                connection, account_id=cast.owner.account_id, user_id=cast.unassigned_manager.id
            )
        return Lane(self.stage, cast, Start(lead))

    async def _judge(self, lanes: list[Lane]) -> None:
        homes: list[UUID] = [lane.owner.account_id for lane in lanes if lane.owner.account_id]
        # What is over is told so at once, and closed by the worker a moment later.
        overdue = "SELECT 1 FROM requests WHERE outcome IS NULL AND deadline < now()"
        await eventually(lambda: select(self.stage.core, overdue), lambda found: not found)
        await check_trails(self.stage.core, homes)
        for home in homes:
            findings = await asyncio.to_thread(self._findings, home)
            assert not findings, findings

    def _findings(self, account_id: UUID) -> list[Finding]:
        with snapshot(self.database_url) as found:
            return Verifier(self.stage.core.keys).verify_database(found, account_id).findings
