"""Serving a verifier with uvicorn: as the API is served, and with its certificate and those of gateways."""

import asyncio
import socket
import ssl
from functools import partial
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp

from api.serving import Impatient, server_config
from api.verifier.identity import PEER_NAMES, names_of
from api.verifier.routes import Parts
from countersign.settings import HttpLimits, Settings


class Acquainted(Impatient):
    """A connection that knows the names which its client's certificate bears."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Look at the certificate, which was checked already."""
        secured: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if secured is not None:
            self.app_state = {**self.app_state, PEER_NAMES: names_of(secured.getpeercert())}
        super().connection_made(transport)


class VerifierServer(uvicorn.Server):
    """A server that ends streams before it stops: they would go on for ever, and be waited for."""

    def __init__(self, app: Starlette, settings: Settings) -> None:
        super().__init__(verifier_config(app, settings))
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop."""
        parts: Parts | None = getattr(self._app.state, "parts", None)
        if parts is not None:
            parts.verifier.subscribers.end()
        await super().shutdown(sockets)


def verifier_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """Return how the verifier is served."""
    own = settings.verifier
    config = server_config(app, settings)
    config.host, config.port = own.host, own.port
    config.http = _protocol(settings.http)
    config.limit_concurrency = own.connections or None
    if own.tls_cert_file is not None:
        config.ssl_certfile, config.ssl_keyfile = own.tls_cert_file, own.tls_key_file
    if own.client_ca_file is not None:
        config.ssl_ca_certs = str(own.client_ca_file)
        # One without a certificate needs a token.
        config.ssl_cert_reqs = ssl.CERT_OPTIONAL
    return config


def _protocol(limits: HttpLimits) -> Any:
    return partial(Acquainted, head_seconds=limits.head_seconds)
