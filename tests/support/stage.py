"""A stage of its own for tests that stop workers: a task queue that nobody else serves, and a cast."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import httpx

from api.app import create_app
from countersign.adapters.keyring import Purpose
from countersign.domain.rules import Rules
from countersign.local.issuer import Issuer
from countersign.settings import Settings
from countersign.wiring import Parts, parts
from tests.support.cast import Cast, Flow, Person, Providers
from tests.support.patience import PATIENCE_SECONDS
from tests.support.workers import working


@dataclass(frozen=True)
class Stage:
    """Its workflows stand still whenever no block of ``at_work`` is open."""

    core: Parts
    cast: Cast

    def at_work(self, *, chores: bool = False) -> AbstractAsyncContextManager[None]:
        return working(self.core, chores=chores)


@asynccontextmanager
async def set_stage(core: Parts, *, issuer: Issuer, providers: Providers, **changes: Any) -> AsyncIterator[Stage]:
    """Open an API whose workflows wait on a task queue of their own; ``changes`` are made to the settings."""
    settings = core.settings.model_copy(update={"task_queue": f"stage-{uuid4()}", **changes})
    desk = replace(core.desk, rules=settings.rules)
    own = replace(core, settings=settings, desk=desk)
    async with api_of(settings) as http:
        yield Stage(own, await Cast.enter(own, http=http, issuer=issuer, providers=providers))


@asynccontextmanager
async def stage_of(settings: Settings, *, issuer: Issuer, providers: Providers) -> AsyncIterator[Stage]:
    """Open a stage with connections of its own, on the database that the settings name."""
    async with (
        parts(settings, purposes=frozenset(Purpose), lazy=False) as core,
        set_stage(core, issuer=issuer, providers=providers) as stage,
    ):
        yield stage


@asynccontextmanager
async def api_of(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A process of the API, as far as one can be had inside another."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield client


def without_caps(rules: Rules) -> Rules:
    """Return the rules for tests that send more in an hour than any account may."""
    return replace(
        rules,
        code_sends_per_hour=10**6,
        wrong_codes_per_hour=10**6,
        wrong_codes_before_freeze=10**6,
        requests_per_hour=10**6,
        sms_per_account_and_day=10**6,
        sms_per_day=0,
    )


@contextmanager
def through(person: Person, http: httpx.AsyncClient) -> Iterator[None]:
    """Let the person call another API meanwhile."""
    usual, person.http = person.http, http
    try:
        yield
    finally:
        person.http = usual


async def settle(flow: Flow) -> None:
    """Return once its workflow only waits: a worker may go now, and time can still be skipped."""
    while True:
        raw = (await flow.handle.describe()).raw_description
        if not raw.pending_activities and not raw.HasField("pending_workflow_task"):
            return
        await asyncio.sleep(0.01)


async def ended(flow: Flow) -> str:
    """Return the outcome once its workflow is over."""
    return str(await asyncio.wait_for(flow.handle.result(), PATIENCE_SECONDS))
