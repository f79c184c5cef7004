"""The example gateway, served in the process of the tests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette

from countersign.local.tcp_ports import free_port
from examples.gateway.app import create_gateway
from examples.gateway.parts import Parts
from examples.gateway.serving import server_config
from examples.gateway.settings import GatewaySettings
from tests.support.patience import eventually


@dataclass(frozen=True)
class ExampleGateway:
    """One that runs."""

    app: Starlette
    settings: GatewaySettings
    server: uvicorn.Server

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}/api/spot"

    @property
    def parts(self) -> Parts:
        parts: Parts = self.app.state.parts
        return parts

    def stop(self) -> None:
        self.server.should_exit = True

    async def until_open(self, count: int) -> None:
        """Return once so many sessions are open."""

        async def opened() -> int:
            return len(self.parts.sessions)

        await eventually(opened, lambda found: found == count)


@asynccontextmanager
async def running_gateway(verifier_url: str, token: str, **changes: Any) -> AsyncIterator[ExampleGateway]:
    """Serve it for the length of the block."""
    settings = GatewaySettings(
        **{
            "verifier_url": verifier_url,
            "token": SecretStr(token),
            "port": free_port(),
            "fix_trade_port": free_port(),
            "fix_market_data_port": free_port(),
            **changes,
        }
    )
    app = create_gateway(settings)
    server = uvicorn.Server(server_config(app, settings))
    # Not `serve`, which takes the signals that stop the tests.
    serving = asyncio.create_task(server._serve())
    while not server.started:
        assert not serving.done() or serving.result()
        await asyncio.sleep(0.01)
    try:
        yield ExampleGateway(app, settings, server)
    finally:
        server.should_exit = True
        await serving
