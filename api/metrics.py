"""Metrics for Prometheus. Labels are route templates, methods, statuses, journeys and steps: nobody's data."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from countersign.domain.errors import Unavailable
from countersign.storage import figures, sms_days
from countersign.storage.database import Database
from countersign.storage.figures import OpenRequests, Waits

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The counters of one app, in a registry of its own; what waits is read from the database when asked for.

    ``sms_per_day`` is the cap that the day's SMS are held against; 0 for none.
    """

    def __init__(self, *, sms_per_day: int = 0) -> None:
        self._registry = CollectorRegistry()
        cap = Gauge("countersign_sms_cap", "SMS that may be made on a day; 0 is no cap.", registry=self._registry)
        cap.set(sms_per_day)
        self._requests = Counter(
            "countersign_http_requests",
            "HTTP requests answered.",
            ("route", "method", "status"),
            registry=self._registry,
        )
        self._problems = Counter(
            "countersign_problems",
            "HTTP requests refused, by the problem's type: too-many-sms, sms-suspended, and so on.",
            ("problem",),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "countersign_http_request_duration_seconds",
            "How long an answer took.",
            ("route", "method"),
            buckets=_SECONDS,
            registry=self._registry,
        )

    def count(self, *, route: str, method: str, status: int, seconds: float, problem: str | None = None) -> None:
        """Count one answered request, and what it was refused for."""
        if problem is not None:
            self._problems.labels(problem).inc()
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route, method).observe(seconds)

    async def exposition(self, database: Database) -> bytes:
        """Return all metrics as Prometheus reads them; without the database, all but what is read from there."""
        try:
            async with database.connection() as connection:
                made = await sms_days.made(connection, datetime.now(UTC).date())
                stored = _stored(await figures.open_requests(connection), await figures.waits(connection), sms=made)
                _add_refused(stored, await figures.decisions_refused(connection))
        except Unavailable:
            stored = _database_is_up(CollectorRegistry(), up=False)
        return generate_latest(self._registry) + generate_latest(stored)


class Measured:
    """ASGI middleware: counts every answer under the template of its route."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        status = 500

        async def send_seen(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, send_seen)
        finally:
            # Methods and paths are the caller's: kept as they come, they would make endless series.
            method = scope["method"] if scope["method"] in _METHODS else "other"
            seconds = time.monotonic() - began
            problem = scope.get("state", {}).get("problem")
            self._metrics.count(route=_template(scope), method=method, status=status, seconds=seconds, problem=problem)


def _template(scope: Scope) -> str:
    route = scope.get("route")
    return str(getattr(route, "path", None) or "unknown")


def _stored(open_requests: Iterable[OpenRequests], waits: Waits | None, *, sms: int) -> CollectorRegistry:
    registry = _database_is_up(CollectorRegistry(), up=True)
    counts = Gauge("countersign_open_requests", "Open requests.", ("journey", "step"), registry=registry)
    for each in open_requests:
        counts.labels(each.journey, each.step).set(each.count)
    Gauge("countersign_sms_today", "SMS made since midnight UTC, of all accounts.", registry=registry).set(sms)
    for name, help_text, value in _figures(waits):
        Gauge(name, help_text, registry=registry).set(value)
    return registry


def _figures(waits: Waits | None) -> list[tuple[str, str, float]]:
    if waits is None:
        return []
    return [
        ("countersign_notices_waiting", "Mails that were not sent yet.", waits.notices),
        ("countersign_oldest_notice_seconds", "Age of the oldest of them.", waits.oldest_notice_seconds),
        (
            "countersign_oldest_account_manager_wait_seconds",
            "How long the oldest request has waited for an account manager.",
            waits.oldest_account_manager_seconds,
        ),
    ]


def _add_refused(registry: CollectorRegistry, refused: int) -> None:
    help_text = "Account managers' decisions that were refused, forged ones above all."
    Gauge("countersign_decisions_refused", help_text, registry=registry).set(refused)


def _database_is_up(registry: CollectorRegistry, *, up: bool) -> CollectorRegistry:
    Gauge("countersign_database_up", "Whether the database answers.", registry=registry).set(int(up))
    return registry
