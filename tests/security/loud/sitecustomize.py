"""For the local stack's processes: every logger talks, Temporal's core too, and the worker tells its metrics.

Python runs this file before everything else; what the processes set up later makes nothing quieter.
"""

import logging
import os
import sys

_configure = logging.basicConfig
logging.basicConfig = lambda **given: _configure(**{**given, "level": logging.DEBUG})

if sys.orig_argv[-1] in {"api", "worker"}:
    from temporalio.runtime import LoggingConfig, PrometheusConfig, Runtime, TelemetryConfig, TelemetryFilter

    port = os.environ["LOUD_METRICS_PORT"]
    told = PrometheusConfig(bind_address=f"127.0.0.1:{port}") if sys.orig_argv[-1] == "worker" else None
    talkative = LoggingConfig(filter=TelemetryFilter(core_level="DEBUG", other_level="DEBUG"))
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=talkative, metrics=told)))
    Runtime.set_default = staticmethod(lambda *_, **__: None)  # type: ignore[method-assign]
