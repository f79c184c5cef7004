"""Metrics of a verifier: what came of calls, of whichever key; nobody's data. Single calls are not logged."""

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.answers import Answers
from countersign.verification.verifier import Verifier

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_METHODS = frozenset({"GET", "HEAD", "POST"})


class VerifierMetrics:
    """The counters of one verifier, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.answers = Answers(self._registry, seconds=_SECONDS)

    def exposition(self, verifier: Verifier) -> bytes:
        """Return all metrics as Prometheus reads them."""
        return generate_latest(self._registry) + generate_latest(_Exposed(verifier))


class Counted:
    """ASGI middleware: counts every answer under one of ``routes``, all others as unknown."""

    def __init__(self, app: ASGIApp, *, metrics: VerifierMetrics, routes: frozenset[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 500

        async def send_seen(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, send_seen)
        finally:
            # Methods and paths are the caller's: kept as they come, they would make endless series.
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = scope["path"] if scope["path"] in self._routes else "unknown"
            self._metrics.answers.count(route=route, method=method, status=status, seconds=time.monotonic() - began)


class _Exposed(Collector):
    """What the verifier counts itself, so that a call costs no lock."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    def collect(self) -> Iterator[Metric]:
        counted = CounterMetricFamily(
            "countersign_verifications", "Calls verified, by what came of them.", labels=("kind", "outcome")
        )
        for (kind, outcome), count in sorted(self._verifier.outcomes.items()):
            counted.add_metric((kind, outcome), count)
        yield counted
        yield _gauge("credentials_kept", "Credentials in memory.", self._verifier.credentials.kept)
        yield _gauge("changes_followed", "Whether changes are heard as they happen.", self._verifier.follower.is_proven)
        yield _gauge("revocation_streams", "Gateways that follow revocations.", len(self._verifier.subscribers))


def _gauge(name: str, told: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"countersign_verifier_{name}", told, value=float(value))
