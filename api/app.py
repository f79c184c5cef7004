"""The HTTP application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from api import document, problems
from api.codec import codec_app
from api.compression import Compressed
from api.fitting_keys import FittingKeys
from api.headers import SecurityHeaders
from api.identity_provider import IdentityProvider
from api.limits import BodyLimit, HeadLimit, LoopbackOnly, NoStore
from api.measuring import Measured
from api.metrics import Metrics
from api.pages import errors, inbox
from api.pages.rendering import Delay, load_templates
from api.pages.routes import ROUTERS as PAGES
from api.quotas import Limiter, RateLimitHeaders
from api.routes import (
    account_manager,
    api_keys,
    audit,
    fix_credentials,
    health,
    local_inbox,
    metrics,
    requests,
    security,
    stops,
)
from api.services import Services
from api.static_files import STATIC
from api.tokens import TokenVerifier
from countersign.adapters.local_inbox import LocalInbox
from countersign.dispatch.key_watch import KeyWatch
from countersign.settings import Settings
from countersign.wiring import API_PURPOSES, messenger, parts, require_service_settings

_ROUTES = (
    requests,  # first, as most calls are about one: routes are tried in turn
    api_keys,
    fix_credentials,
    security,
    stops,
    account_manager,
    audit,
    health,
    metrics,
)
_COLLECTOR_PATH = "/local/traces/v1/traces"  # of the local stack: see countersign.local.collector
_CODEC_PATHS = ("/codec/encode", "/codec/decode")
_PAYLOADS_BYTES = 4_000_000  # Temporal takes payloads of 2 MB, and base64 makes them a third longer


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the application; its parts open with it and close with it."""
    settings = settings or Settings()
    app = FastAPI(
        title="Countersign",
        summary="Issues trading credentials through approvals that wait for people.",
        version="1",
        lifespan=partial(_lifespan, settings=settings),
        docs_url=None,  # FastAPI's pages load their scripts from another site
        redoc_url=None,
        redirect_slashes=False,  # a redirect would lead to wherever the Host header says
        license_info={"name": "Apache-2.0"},
    )
    app.state.metrics = Metrics(sms_per_day=settings.rules.sms_per_day)
    app.state.identity_provider = IdentityProvider(settings)
    app.state.demo_people = ()
    app.state.sdk = None
    app.state.delay = Delay()
    load_templates()
    problems.install(app)
    errors.install(app)
    _add_routes(app, settings)
    _add_middleware(app, settings)
    document.install(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI, *, settings: Settings) -> AsyncIterator[None]:
    require_service_settings(settings)
    async with (
        parts(settings, purposes=API_PURPOSES, lazy=True) as core,
        KeyWatch(core.database, core.keys, kind="api").running() as watch,
    ):
        app.state.services = Services(
            core=core,
            messenger=messenger(core),
            tokens=TokenVerifier(settings),
            inbox=LocalInbox(settings.data) if settings.mode == "local" else None,
            watch=watch,
            limiter=Limiter(settings.quotas),
        )
        yield


def _add_routes(app: FastAPI, settings: Settings) -> None:
    routers = [module.router for module in _ROUTES]
    if settings.mode == "local":
        routers += [local_inbox.router, inbox.router]
    for router in (*routers, *PAGES):
        # `include_router` would look through each router twice, and slowly, at every call.
        app.router.routes.extend(router.routes)
    app.mount("/static", StaticFiles(directory=STATIC))
    app.mount("/codec", codec_app(settings, lambda: app.state.services))


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    # The last one added is the outermost.
    app.add_middleware(FittingKeys, watch=lambda: app.state.services.watch, answer=errors.refused)
    if settings.mode == "local":
        app.add_middleware(LoopbackOnly, answer=errors.refused)
    limits = dict.fromkeys(_CODEC_PATHS, _PAYLOADS_BYTES)
    if settings.mode == "local":
        limits[_COLLECTOR_PATH] = _PAYLOADS_BYTES
    app.add_middleware(
        BodyLimit,
        limit=settings.body_limit_bytes,
        limits=limits,
        seconds=settings.http.body_seconds,
        answer=errors.refused,
    )
    app.add_middleware(HeadLimit, limits=settings.http, answer=errors.refused)
    app.add_middleware(Compressed)
    app.add_middleware(RateLimitHeaders)
    app.add_middleware(problems.Unforeseen, answer=errors.unforeseen)
    app.add_middleware(Measured, metrics=app.state.metrics)
    app.add_middleware(NoStore)
    app.add_middleware(SecurityHeaders, settings=settings)
