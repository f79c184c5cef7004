"""A stage whose every span is kept, as it would have left."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from unittest.mock import patch

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from countersign.adapters.unversioned import WithoutVersions
from countersign.local.issuer import Issuer
from countersign.settings import Settings
from countersign.telemetry.tracing import Discreet, exporting
from tests.support.cast import Providers
from tests.support.stage import Stage, stage_of


class Kept:
    """The spans."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    def spans(self) -> Sequence[ReadableSpan]:
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def of(self, trace_id: int) -> list[ReadableSpan]:
        return [span for span in self.spans() if span.context and span.context.trace_id == trace_id]

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans() if span.name == name]

    def text(self) -> str:
        return "\n".join(span.to_json() for span in self.spans())


@contextmanager
def keeping_spans() -> Iterator[Kept]:
    """What connects to Temporal or the database within the block is traced."""
    exporter = InMemorySpanExporter()
    with exporting(SimpleSpanProcessor(Discreet(exporter)), service="test"):
        yield Kept(exporter)


def _as_deployed(*, versioned: bool) -> WithoutVersions:
    assert not versioned
    return WithoutVersions()


@asynccontextmanager
async def traced_stage(settings: Settings, issuer: Issuer, providers: Providers) -> AsyncIterator[tuple[Stage, Kept]]:
    """A stage with workers as they are deployed."""
    with keeping_spans() as kept, patch("tests.support.workers.sandboxed", _as_deployed):
        async with stage_of(settings, issuer=issuer, providers=providers) as stage:
            yield stage, kept
