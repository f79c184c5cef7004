"""The application of a verifier process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from starlette.applications import Starlette
from starlette.routing import Route

from api import problems
from api.fitting_keys import FittingKeys
from api.limits import BodyLimit, HeadLimit, LoopbackOnly, NoStore, as_problem
from api.verifier.checking import load_verifier_keys
from api.verifier.identity import Identity
from api.verifier.metrics import Counted, VerifierMetrics
from api.verifier.routes import Aliveness, Exposition, Parts, Readiness, Revocations, Verifications
from countersign.dispatch.key_watch import KeyWatch
from countersign.settings import Settings
from countersign.storage.database import Database
from countersign.verification.failures import Failures
from countersign.verification.verifier import Verifier

_ROUTES = (
    Route("/v1/verifications", Verifications(), methods=["POST"]),  # first: routes are tried in turn
    Route("/v1/revocations", Revocations(), methods=["GET"]),
    Route("/healthz", Aliveness(), methods=["GET"]),
    Route("/readyz", Readiness(), methods=["GET"]),
    Route("/metrics", Exposition(), methods=["GET"]),
)


def create_verifier(settings: Settings) -> Starlette:
    """Return the application; its parts open with it and close with it."""
    metrics = VerifierMetrics()
    app = Starlette(
        routes=_ROUTES,
        lifespan=partial(_lifespan, settings=settings, metrics=metrics),
    )
    app.router.redirect_slashes = False
    problems.install_handlers(app)
    _add_middleware(app, settings, metrics)
    return app


@asynccontextmanager
async def _lifespan(app: Starlette, *, settings: Settings, metrics: VerifierMetrics) -> AsyncIterator[None]:
    keys, url = load_verifier_keys(settings), settings.database_url.get_secret_value()
    database = Database(url, pool_size=settings.database_pool_size)
    await database.open()
    limits = settings.verifier
    failures = Failures(of_pair=limits.failures_per_minute, unknown=limits.unknown_keys_per_minute)
    verifier = Verifier(database, url, keys, size=limits.cache_size, failures=failures)
    try:
        async with verifier.running(), KeyWatch(database, keys, kind="verifier").running() as watch:
            app.state.parts = Parts(
                verifier=verifier,
                identity=Identity(settings),
                watch=watch,
                metrics=metrics,
                silence_seconds=limits.silence_seconds,
            )
            yield
    finally:
        await database.close()


def _add_middleware(app: Starlette, settings: Settings, metrics: VerifierMetrics) -> None:
    # The last one added is the outermost. No browser is answered here: headers for browsers would only cost time.
    app.add_middleware(FittingKeys, watch=lambda: app.state.parts.watch, answer=as_problem)
    if settings.mode == "local":
        app.add_middleware(LoopbackOnly)
    app.add_middleware(BodyLimit, limit=settings.verifier.body_bytes, limits={}, seconds=settings.http.body_seconds)
    app.add_middleware(HeadLimit, limits=settings.http)
    app.add_middleware(NoStore)
    app.add_middleware(problems.Unforeseen)
    app.add_middleware(Counted, metrics=metrics, routes=frozenset(route.path for route in _ROUTES))
