"""Serving the application with uvicorn: how long, how much and how many at once it puts up with."""

import asyncio
from functools import partial
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from countersign.settings import HttpLimits, Settings

_BACKLOG = 512
_GOODBYE_SECONDS = 5
_TOO_SLOW = b"The head of the request did not come in time."


class Impatient(H11Protocol):
    """HTTP/1.1 that waits ``head_seconds`` for the head of a request, from the first byte or the connection on.

    uvicorn itself waits for ever, so a few clients that send a byte now and then would hold every connection.
    """

    def __init__(self, *args: Any, head_seconds: float, **more: Any) -> None:
        super().__init__(*args, **more)
        self._head_seconds = head_seconds
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin to wait."""
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Go on waiting until the head is there."""
        self._wait_for_head()
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        if self._patience is None and self.conn.their_state is h11.IDLE:
            self._patience = self.loop.call_later(self._head_seconds, self._hang_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _hang_up(self) -> None:
        has_begun, _ = self.conn.trailing_data
        # A connection that nothing came over was opened in advance: it is closed without a word.
        if has_begun and self.conn.our_state is h11.IDLE:
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
            events = (h11.Response(status_code=408, headers=headers), h11.Data(data=_TOO_SLOW), h11.EndOfMessage())
            self.transport.write(b"".join(self.conn.send(event) or b"" for event in events))
        self.transport.close()


def server_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """Return how the application is served."""
    limits = settings.http
    return uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        http=_protocol(limits),
        ws="none",
        # More than the application takes, so that it is the application that says what is too large.
        h11_max_incomplete_event_size=2 * limits.head_bytes,
        limit_concurrency=limits.connections or None,
        backlog=_BACKLOG,
        timeout_keep_alive=limits.keep_alive_seconds,
        timeout_graceful_shutdown=_GOODBYE_SECONDS,
        server_header=False,
        # Whose word is taken for where a caller is: without proxies nobody's, or callers could claim any address.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        access_log=False,  # it would hold addresses that are asked for
        log_config=None,  # countersign.logs has done it
    )


def _protocol(limits: HttpLimits) -> Any:
    # uvicorn wants a class, and calls it with arguments of its own.
    return partial(Impatient, head_seconds=limits.head_seconds)
