"""A second API and worker beside the session's, with limits small enough to reach."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx

from api.app import create_app
from countersign.domain.rules import Rules
from countersign.effects.work import Desk
from countersign.wiring import Parts
from tests.support.workers import working


@asynccontextmanager
async def strict_stack(core: Parts, *, rules: Rules, task_queue: str) -> AsyncIterator[tuple[Parts, httpx.AsyncClient]]:
    """Serve with ``rules``; notices are left to the session's worker."""
    settings = core.settings.model_copy(update={"rules": rules, "task_queue": task_queue})
    desk = Desk(database=core.database, keys=core.keys, rules=rules)
    strict = replace(core, settings=settings, desk=desk)
    app = create_app(settings)
    async with working(strict, chores=False), app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield strict, client
