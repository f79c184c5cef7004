"""Metrics of a verifier: what came of calls, of whichever key; nobody's data."""

from collections.abc import Iterator

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.metrics import HttpMetrics
from countersign.verification.verifier import Verifier


class VerifierMetrics(HttpMetrics):
    """The counters of one verifier."""

    def exposition(self, verifier: Verifier) -> bytes:
        """Return all metrics as Prometheus reads them."""
        collected = generate_latest(self._registry)
        return collected + b"".join(generate_latest(each) for each in [_Exposed(verifier)])


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
