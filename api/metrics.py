"""Metrics for Prometheus. Labels are route templates, methods, statuses, journeys and steps: nobody's data."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from api.answers import Answers
from countersign.domain.errors import Unavailable
from countersign.health import promptly
from countersign.storage import figures, heartbeats, sms_days
from countersign.storage.database import Database
from countersign.storage.figures import OpenRequests, Waits

# As the reminders go out, and twice for those who wait longest.
_AGES = tuple(timedelta(hours=hours) for hours in (0, 1, 4, 24, 72, 168))
_PATIENCE_SECONDS = 1.0
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


@dataclass(frozen=True)
class Answered:
    """One call when it is over."""

    method: str
    route: str
    status: int
    seconds: float
    problem: str | None


class Metrics:
    """The counters of one app, in a registry of its own; what waits is read from the database when asked for.

    ``sms_per_day`` is the cap that the day's SMS are held against; 0 for none.
    """

    def __init__(self, *, sms_per_day: int = 0) -> None:
        self._registry = CollectorRegistry()
        cap = Gauge("countersign_sms_cap", "SMS that may be made on a day; 0 is no cap.", registry=self._registry)
        cap.set(sms_per_day)
        self._answers = Answers(self._registry, seconds=_SECONDS)
        self._problems = Counter(
            "countersign_problems",
            "HTTP requests refused, by the problem's type: too-many-sms, sms-suspended, and so on.",
            ("problem",),
            registry=self._registry,
        )

    def count(self, answered: Answered) -> None:
        """Count one answered request, and what it was refused for."""
        if answered.problem is not None:
            self._problems.labels(answered.problem).inc()
        self._answers.count(
            route=answered.route, method=answered.method, status=answered.status, seconds=answered.seconds
        )

    async def exposition(self, database: Database, *, task_queue: str) -> bytes:
        """Return all metrics as Prometheus reads them; without the database, all but what is read from there."""
        try:
            stored = await promptly(_stored(database, task_queue), seconds=_PATIENCE_SECONDS)
        except (TimeoutError, Unavailable):
            stored = _database_is_up(CollectorRegistry(), up=False)
        return generate_latest(self._registry) + generate_latest(stored)


async def _stored(database: Database, task_queue: str) -> CollectorRegistry:
    registry = _database_is_up(CollectorRegistry(), up=True)
    async with database.connection() as connection:
        _add_open(registry, await figures.open_requests(connection))
        _add_figures(registry, await figures.waits(connection))
        _add_waiting(registry, await figures.waiting_longer(connection, _AGES))
        made = await sms_days.made(connection, datetime.now(UTC).date())
        _gauge(registry, "countersign_sms_today", "SMS made since midnight UTC, of all accounts.", made)
        refused = await figures.decisions_refused(connection)
        told = "Account managers' decisions that were refused, forged ones above all."
        _gauge(registry, "countersign_decisions_refused", told, refused)
        _add_heartbeat(registry, await heartbeats.newest(connection, task_queue))
    return registry


def _gauge(registry: CollectorRegistry, name: str, help_text: str, value: float) -> None:
    Gauge(name, help_text, registry=registry).set(value)


def _add_open(registry: CollectorRegistry, open_requests: Iterable[OpenRequests]) -> None:
    counts = Gauge("countersign_open_requests", "Open requests.", ("journey", "step"), registry=registry)
    overdue = Gauge(
        "countersign_overdue_requests",
        "Open requests whose step should have ended two minutes ago.",
        ("journey", "step"),
        registry=registry,
    )
    for each in open_requests:
        counts.labels(each.journey, each.step).set(each.count)
        overdue.labels(each.journey, each.step).set(each.overdue)


def _add_figures(registry: CollectorRegistry, waits: Waits | None) -> None:
    if waits is None:
        return
    _gauge(registry, "countersign_notices_waiting", "Mails that were not sent yet.", waits.notices)
    _gauge(registry, "countersign_oldest_notice_seconds", "Age of the oldest of them.", waits.oldest_notice_seconds)
    told = "How long the oldest request has waited for an account manager."
    _gauge(registry, "countersign_oldest_account_manager_wait_seconds", told, waits.oldest_account_manager_seconds)


def _add_waiting(registry: CollectorRegistry, waiting: Mapping[timedelta, int]) -> None:
    told = "Requests that have waited for an account manager for at least so many seconds."
    counts = Gauge("countersign_account_manager_waiting", told, ("at_least",), registry=registry)
    for age, count in waiting.items():
        counts.labels(str(int(age.total_seconds()))).set(count)


def _add_heartbeat(registry: CollectorRegistry, at: datetime | None) -> None:
    if at is not None:
        told = "How long ago a worker last said that it is at work and reaches Temporal."
        age = (datetime.now(UTC) - at).total_seconds()
        _gauge(registry, "countersign_worker_heartbeat_age_seconds", told, max(age, 0))


def _database_is_up(registry: CollectorRegistry, *, up: bool) -> CollectorRegistry:
    _gauge(registry, "countersign_database_up", "Whether the database answers.", int(up))
    return registry
