"""What a process tells Prometheus of itself, whatever it is and whatever is down."""

import asyncio
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from countersign.adapters.temporal_core import CoreMetrics
from countersign.dispatch.key_watch import KeyWatch
from countersign.health import database_health, temporal_health
from countersign.telemetry.metrics import REGISTRY
from countersign.wiring import Parts

# A scrape that waits for what hangs would be given up, and the process be taken for dead.
_PATIENCE_SECONDS = 1.0


async def exposition(core: Parts | None, watch: KeyWatch | None, sdk: CoreMetrics | None) -> bytes:
    """Return what the process counted, what it reaches, and the SDK's own; ``core`` is None while nothing is open."""
    reached, own = await asyncio.gather(_reached(core, watch), sdk.exposition() if sdk else _nothing())
    return generate_latest(REGISTRY) + generate_latest(reached) + own


async def _reached(core: Parts | None, watch: KeyWatch | None) -> CollectorRegistry:
    registry = CollectorRegistry()
    if core is None:
        # Only a worker that does not reach Temporal has opened nothing, and it has not asked the database yet.
        registry.register(_Reach({"temporal": False}, {}))
        return registry
    database, temporal = await asyncio.gather(
        database_health(core.database, seconds=_PATIENCE_SECONDS),
        temporal_health(core.client, seconds=_PATIENCE_SECONDS),
    )
    reach = {"database": database == "up", "temporal": temporal == "up", "keys": watch is not None and watch.fits}
    registry.register(_Reach(reach, core.database.pool_stats()))
    return registry


async def _nothing() -> bytes:
    return b""


class _Reach(Collector):
    def __init__(self, reach: Mapping[str, bool], pool: Mapping[str, int]) -> None:
        self._reach = reach
        self._pool = pool

    def collect(self) -> Iterator[Metric]:
        reached = "Whether this process reaches the part, and for keys whether its key ring fits the database."
        parts = GaugeMetricFamily("countersign_part_up", reached, labels=("part",))
        for part, is_up in self._reach.items():
            parts.add_metric((part,), int(is_up))
        yield parts
        if self._pool:
            yield from _pool(self._pool)


def _pool(stats: Mapping[str, int]) -> Iterator[Metric]:
    connections = GaugeMetricFamily(
        "countersign_database_pool_connections", "Connections to the database, by use.", labels=("state",)
    )
    idle = stats.get("pool_available", 0)
    connections.add_metric(("idle",), idle)
    connections.add_metric(("busy",), stats.get("pool_size", 0) - idle)
    yield connections
    yield _gauge("countersign_database_pool_waiting", "Who waits for a connection now.", stats, "requests_waiting")
    for name, help_text, stat in (
        ("countersign_database_pool_requests", "How often a connection was asked for.", "requests_num"),
        ("countersign_database_pool_waits", "How often none was free.", "requests_queued"),
        ("countersign_database_pool_errors", "How often none came in time.", "requests_errors"),
        ("countersign_database_pool_lost", "Connections that were lost.", "connections_lost"),
    ):
        yield CounterMetricFamily(name, help_text, value=stats.get(stat, 0))
    waited = stats.get("requests_wait_ms", 0) / 1000
    yield CounterMetricFamily("countersign_database_pool_wait_seconds", "Time spent waiting for one.", value=waited)


def _gauge(name: str, help_text: str, stats: Mapping[str, int], stat: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_text, value=stats.get(stat, 0))
