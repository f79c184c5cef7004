"""Serving the example with uvicorn."""

import ssl

import uvicorn
from starlette.types import ASGIApp

from examples.gateway.settings import GatewaySettings

_GOODBYE_SECONDS = 3


def server_config(app: ASGIApp, settings: GatewaySettings) -> uvicorn.Config:
    """Return how it is served."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        ws="wsproto",
        ws_max_size=settings.body_bytes,
        # Whose word is taken for where a client is: without proxies nobody's, or clients could claim any address.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        ssl_certfile=settings.tls_cert_file,
        ssl_keyfile=settings.tls_key_file,
        timeout_graceful_shutdown=_GOODBYE_SECONDS,
        server_header=False,
        access_log=False,
        log_config=None,
    )


def fix_tls(settings: GatewaySettings) -> ssl.SSLContext | None:
    """Return what FIX is secured with, if it is."""
    if settings.tls_cert_file is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.tls_cert_file, settings.tls_key_file)
    return context
