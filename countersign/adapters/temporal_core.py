"""The SDK's core of this process: its logs go where all logs go, and its metrics to whoever scrapes the process.

It serves its metrics on a port of its own or hands every single measurement to Python. The port costs nothing until
someone asks, so it is put on loopback, and what it serves is passed on.
"""

import asyncio
import http.client
import logging
import socket
from contextlib import suppress
from dataclasses import dataclass

from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)

_LOOPBACK = "127.0.0.1"
_TRIES = 5
_TIMEOUT_SECONDS = 2
# Seconds: from a click to what waits for days.
_STEP_SECONDS = (1, 5, 15, 30, 60, 120, 300, 900, 1800, 3600, 14_400, 86_400, 259_200)


@dataclass(frozen=True)
class CoreMetrics:
    """Where the core serves its metrics, and those that workflows count."""

    port: int

    async def exposition(self) -> bytes:
        """Return them as Prometheus reads them; nothing when they cannot be had."""
        with suppress(OSError, http.client.HTTPException):
            return await asyncio.to_thread(self._read)
        return b""

    def _read(self) -> bytes:
        connection = http.client.HTTPConnection(_LOOPBACK, self.port, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read()
        finally:
            connection.close()


def forward_core_logs() -> None:
    """Let the core log through ``logging``, where lines are masked; left alone, it writes to the console.

    This or ``measured_core`` is to be called before the first client is made.
    """
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=_logs())), error_if_already_set=False)


def measured_core() -> CoreMetrics:
    """Let the core log as above, and measure what it does; return its metrics."""
    runtime, metrics = measured_runtime()
    Runtime.set_default(runtime, error_if_already_set=False)
    return metrics


def measured_runtime() -> tuple[Runtime, CoreMetrics]:
    """Return a core that is measured, and its metrics; raises ``ValueError`` where no port can be had."""
    for _ in range(_TRIES - 1):
        # The port was free a moment ago, and the core takes it: another process may be quicker.
        with suppress(ValueError):
            return _runtime_at(_free_port())
    return _runtime_at(_free_port())


def _runtime_at(port: int) -> tuple[Runtime, CoreMetrics]:
    metrics = PrometheusConfig(
        bind_address=f"{_LOOPBACK}:{port}",
        counters_total_suffix=True,
        unit_suffix=True,
        durations_as_seconds=True,
        histogram_bucket_overrides={"countersign_step_duration": _STEP_SECONDS},
    )
    telemetry = TelemetryConfig(logging=_logs(), metrics=metrics, attach_service_name=False)
    return Runtime(telemetry=telemetry), CoreMetrics(port)


def _logs() -> LoggingConfig:
    forwarding = LogForwardingConfig(logger=logging.getLogger("temporalio"), append_log_fields_to_message=False)
    return LoggingConfig(filter=TelemetryFilter(core_level="WARN", other_level="ERROR"), forwarding=forwarding)


def _free_port() -> int:
    with socket.create_server((_LOOPBACK, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
