"""What an HTTP process counts of its answers."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram


class Answers:
    """How many answers there were, and how long each took; ``seconds`` are the bounds of the buckets."""

    def __init__(self, registry: CollectorRegistry, *, seconds: Sequence[float]) -> None:
        self._requests = Counter(
            "countersign_http_requests", "HTTP requests answered.", ("route", "method", "status"), registry=registry
        )
        self._seconds = Histogram(
            "countersign_http_request_duration_seconds",
            "How long an answer took.",
            ("route", "method"),
            buckets=seconds,
            registry=registry,
        )

    def count(self, *, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route, method).observe(seconds)
