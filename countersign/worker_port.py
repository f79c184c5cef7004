"""The port of a worker process: whether it lives, whether it works, and its metrics.

It is open before anything is reached and as long as the process lives: one looks there when something is down.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from countersign.adapters.temporal_core import CoreMetrics
from countersign.dispatch.key_watch import KeyWatch
from countersign.exposition import exposition
from countersign.health import database_health, health, temporal_health
from countersign.settings import Settings
from countersign.wiring import Parts, SettingsMissing


class PortUnusable(SettingsMissing):
    """Nothing can listen where the settings say."""


@dataclass
class Standing:
    """How far a worker process has come; ``core`` is None until it has reached Temporal for the first time."""

    sdk: CoreMetrics | None = None
    core: Parts | None = None
    watch: KeyWatch | None = None
    polls: bool = False

    async def readiness(self) -> dict[str, str]:
        """Return which part is up, in the words of the API's ``/readyz``."""
        if self.core is None or self.watch is None:
            return {"database": "unknown", "keys": "unknown", "temporal": "down", "worker": "down"}
        database, keys, temporal = await asyncio.gather(
            database_health(self.core.database), health(self.watch.require()), temporal_health(self.core.client)
        )
        return {"database": database, "keys": keys, "temporal": temporal, "worker": "up" if self.polls else "down"}


@asynccontextmanager
async def serving(settings: Settings, standing: Standing) -> AsyncIterator[None]:
    """Keep the port open for the length of the block, if the settings name one; raises ``PortUnusable``."""
    if not settings.worker_port:
        yield
        return
    runner = web.AppRunner(_app(standing), handle_signals=False, access_log=None)
    await runner.setup()
    try:
        await _listen(runner, settings)
        yield
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, settings: Settings) -> None:
    try:
        await web.TCPSite(runner, settings.worker_host, settings.worker_port).start()
    except OSError as error:
        where = f"{settings.worker_host}:{settings.worker_port}"
        why = os.strerror(error.errno) if error.errno else str(error)
        raise PortUnusable(
            f"The worker cannot listen on {where} ({why}): set COUNTERSIGN_WORKER_HOST and COUNTERSIGN_WORKER_PORT"
            " to where it can, or the port to 0 for none."
        ) from error


def _app(standing: Standing) -> web.Application:
    async def alive(_request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def ready(_request: web.Request) -> web.Response:
        parts = await standing.readiness()
        return web.json_response(parts, status=200 if set(parts.values()) == {"up"} else 503)

    async def metrics(_request: web.Request) -> web.Response:
        body = await exposition(standing.core, standing.watch, standing.sdk)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", alive), web.get("/readyz", ready), web.get("/metrics", metrics)])
    return app
