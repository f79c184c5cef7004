"""The HTTP application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware

from api import problems
from api.codec import codec_app
from api.limits import BodyLimit, NoStore
from api.routes import account_manager, api_keys, audit, fix_credentials, health, local_inbox, requests
from api.services import Services
from api.tokens import TokenVerifier
from countersign.settings import Settings
from countersign.wiring import API_PURPOSES, messenger, parts
from countersign.wiring import local_inbox as wired_inbox

_LOOPBACK_HOSTS = ["127.0.0.1", "localhost", "[::1]"]


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the application; its parts open with it and close with it."""
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with parts(settings, purposes=API_PURPOSES, lazy=True) as core:
            app.state.services = Services(
                core=core,
                messenger=messenger(core),
                tokens=TokenVerifier(settings),
                inbox=wired_inbox(settings, instead_of="") if settings.mode == "local" else None,
            )
            yield

    app = FastAPI(
        title="Countersign",
        summary="Issues trading credentials through approvals that wait for people.",
        version="1",
        lifespan=lifespan,
        license_info={"name": "Apache-2.0"},
    )
    problems.install(app)
    for module in (api_keys, fix_credentials, requests, account_manager, audit, health):
        app.include_router(module.router)
    if settings.mode == "local":
        app.include_router(local_inbox.router)
        # A page of another origin could reach loopback under a name of its own.
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=_LOOPBACK_HOSTS)
    app.mount("/codec", codec_app(settings, lambda: app.state.services))
    app.add_middleware(BodyLimit, limit=settings.body_limit_bytes)
    app.add_middleware(NoStore)
    return app
