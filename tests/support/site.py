"""The real application where a browser can reach it: on a loopback port, in the event loop of the tests."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import uvicorn
from starlette.types import ASGIApp

from api.app import create_app
from countersign.settings import Settings


@dataclass(frozen=True)
class Site:
    """Where the pages are, and the settings they run with."""

    url: str
    settings: Settings

    def here(self, link: str) -> str:
        """Return the link of a mail as one into this site: mails name the public address of the tests' worker."""
        parts = urlsplit(link)
        return f"{self.url}{parts.path}#{parts.fragment}"


@asynccontextmanager
async def site_of(settings: Settings) -> AsyncIterator[Site]:
    """Serve the application; its public address is wherever a port was free."""
    with _port() as listening:
        settings = settings.model_copy(update={"public_url": _url(listening)})
        async with _serving(create_app(settings), listening):
            yield Site(settings.public_url, settings)


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """Serve any application; yields its address."""
    with _port() as listening:
        async with _serving(app, listening):
            yield _url(listening)


@asynccontextmanager
async def _serving(app: ASGIApp, listening: socket.socket) -> AsyncIterator[None]:
    server = _Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        while not server.started:
            assert not task.done(), "the server has not come up"
            await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await task


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave Ctrl-C to pytest."""
        yield


@contextmanager
def _port() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def _url(listening: socket.socket) -> str:
    return f"http://127.0.0.1:{listening.getsockname()[1]}"
