"""What this process counts; the journeys themselves are counted by workflows, and what waits is read from the database.

Every label has few values that this code knows: nobody's name, id, number or address.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from countersign.domain.errors import DeliveryRefused

# When a series began doubles their number, and tells nothing that anyone asks.
disable_created_metrics()  # type: ignore[no-untyped-call] # it comes without types
REGISTRY = CollectorRegistry()

_PROVIDER_SECONDS = Histogram(
    "countersign_provider_call_duration_seconds",
    "How long Twilio (sms) and SendGrid (email) took, and whether they took it (taken), refused it for good (refused), "
    "or failed (failed).",
    ("channel", "result"),
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15),
    registry=REGISTRY,
)
CODES = Counter(
    "countersign_codes",
    "Codes by SMS and mail that are on their way no more: the provider took them (sent), or it never did (failed).",
    ("channel", "delivery"),
    registry=REGISTRY,
)
VERDICTS = Counter(
    "countersign_verdicts",
    "Messages to requests that had their effect (done), or the type of the problem they met; each counts once.",
    ("message", "result"),
    registry=REGISTRY,
)
NOTICES = Counter(
    "countersign_notices",
    "Tries to send a mail from the outbox: sent, refused for good (failed), or to be tried again (postponed).",
    ("result",),
    registry=REGISTRY,
)
OUTBOX_BATCH = Histogram(
    "countersign_outbox_batch_notices",
    "Mails taken from the outbox at once, where there were any.",
    buckets=(1, 2, 5, 10, 20),
    registry=REGISTRY,
)
STARTED_LATE = Counter(
    "countersign_workflows_started_late",
    "Workflows that a dispatcher started, as the API could not.",
    registry=REGISTRY,
)
NUDGED = Counter(
    "countersign_workflows_nudged",
    "Workflows that a dispatcher told to look at their request again.",
    registry=REGISTRY,
)
DIFFERENCES = Counter(
    "countersign_reconcile_differences",
    "Requests and workflows that were not where the other was, by how they differed.",
    ("kind",),
    registry=REGISTRY,
)
CHORE_FAILURES = Counter(
    "countersign_chore_failures", "Turns of a worker's chores that failed.", ("chore",), registry=REGISTRY
)
CHORE_SUCCESS = Gauge(
    "countersign_chore_last_success_timestamp_seconds",
    "When a turn of a worker's chore last went well.",
    ("chore",),
    registry=REGISTRY,
)


@contextmanager
def provider_call(channel: str) -> Iterator[None]:
    """Measure the block, in which a provider is asked to take an SMS or a mail."""
    began, result = time.monotonic(), "failed"
    try:
        yield
        result = "taken"
    except DeliveryRefused:
        result = "refused"
        raise
    finally:
        _PROVIDER_SECONDS.labels(channel, result).observe(time.monotonic() - began)
