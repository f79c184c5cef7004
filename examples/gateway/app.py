"""The application: REST, WebSocket, and the FIX acceptors that open and close with it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from countersign.gateway_client import GatewayClient, SessionType
from examples.gateway.exchange import Exchange
from examples.gateway.fix.acceptor import Acceptor
from examples.gateway.fix.market_data import MarketData
from examples.gateway.fix.trading import Trading
from examples.gateway.parts import Parts
from examples.gateway.rest import call_private, call_public
from examples.gateway.sessions import OpenSessions
from examples.gateway.settings import GatewaySettings
from examples.gateway.websocket import converse


def create_gateway(settings: GatewaySettings) -> Starlette:
    """Return the application."""
    return Starlette(
        routes=[
            Route("/api/spot/rest-public/{action}", call_public, methods=["POST"]),
            Route("/api/spot/rest/{action}", call_private, methods=["POST"]),
            WebSocketRoute("/api/spot/ws", converse),
        ],
        lifespan=partial(_lifespan, settings=settings),
    )


@asynccontextmanager
async def _lifespan(app: Starlette, *, settings: GatewaySettings) -> AsyncIterator[None]:
    async with GatewayClient(settings.verifier_url, token=settings.bearer) as gateway:
        sessions = OpenSessions(gateway, doubt_seconds=settings.doubt_seconds)
        app.state.parts = parts = Parts(settings, gateway, Exchange(), sessions)
        async with _following(sessions), AsyncExitStack() as acceptors:
            for acceptor in _acceptors(parts):
                await acceptors.enter_async_context(acceptor.listening())
            yield


def _acceptors(parts: Parts) -> tuple[Acceptor, Acceptor]:
    ports = parts.settings
    return (
        Acceptor(parts, SessionType.TRADE, port=ports.fix_trade_port, application=Trading(parts.exchange)),
        Acceptor(parts, SessionType.MARKET_DATA, port=ports.fix_market_data_port, application=MarketData()),
    )


@asynccontextmanager
async def _following(sessions: OpenSessions) -> AsyncIterator[None]:
    # Should following end, the gateway ends too: nothing would close sessions any more.
    async with asyncio.TaskGroup() as group:
        following = group.create_task(sessions.follow())
        yield
        following.cancel()
