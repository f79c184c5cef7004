"""Traces by OpenTelemetry: off unless a collector is named, and then sampled as ``OTEL_TRACES_SAMPLER`` says.

Nobody's data leaves in a span. What may is listed here, and everything else is left behind on the way out, whichever
library put it there; of an exception goes the type alone.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Link, Status

from countersign.redaction import redact
from countersign.telemetry import calls, spans

_WORKFLOW_ID = "temporalWorkflowID"
_EXCEPTION = "exception.type"
_MAY_LEAVE = frozenset(
    {
        spans.REQUEST_ID,
        "countersign.call",
        "countersign.problem",
        "db.query.text",
        "db.system.name",
        "http.request.method",
        "http.response.status_code",
        "http.route",
        _WORKFLOW_ID,
        "temporalActivityID",
        "temporalRunID",
    }
)
_TIMEOUT_SECONDS = 5
_GOODBYE_SECONDS = 2


@contextmanager
def sending(endpoint: str, *, service: str) -> Iterator[None]:
    """Send spans to the OTLP/HTTP collector at the address for the length of the block, as the service.

    Its end sends the rest. What the collector does not take is given up: nothing waits for it, and the end for two
    seconds at most.
    """
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_TIMEOUT_SECONDS)
    with exporting(BatchSpanProcessor(Discreet(exporter)), service=service):
        yield


@contextmanager
def exporting(processor: SpanProcessor, *, service: str) -> Iterator[None]:
    """Give spans to the processor for the length of the block."""
    provider = _provide(processor, service)
    try:
        yield
    finally:
        spans.switch(None)
        _finish(provider)


def _finish(provider: TracerProvider) -> None:
    # A collector that hangs would keep a process whose queue is full for half a minute.
    last = threading.Thread(target=provider.shutdown, daemon=True)
    last.start()
    last.join(_GOODBYE_SECONDS)


def _provide(processor: SpanProcessor, service: str) -> TracerProvider:
    resource = Resource.create({SERVICE_NAME: service})
    provider = TracerProvider(resource=resource, id_generator=_ByRequest(), shutdown_on_exit=False)
    provider.add_span_processor(_AboutRequest())
    provider.add_span_processor(processor)
    spans.switch(provider.get_tracer("countersign"))
    return provider


class _ByRequest(RandomIdGenerator):
    """All that is about one request is one trace, whichever process does it and however much later."""

    def generate_trace_id(self) -> int:
        call = calls.present()
        return super().generate_trace_id() if call is None else call.trace_id


class _AboutRequest(SpanProcessor):
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002 - the SDK's name
        call = calls.present()
        request_id = call.request_id if call else None
        if request_id is None:
            request_id = calls.request_of(str((span.attributes or {}).get(_WORKFLOW_ID, "")))
        if request_id is not None:
            span.set_attribute(spans.REQUEST_ID, str(request_id))


class Discreet(SpanExporter):
    """Passes on what may leave."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Pass the spans on."""
        return self._inner.export([_discreet(each) for each in spans])

    def shutdown(self) -> None:
        """Shut down."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what was not sent yet."""
        return self._inner.force_flush(timeout_millis)


def _discreet(span: ReadableSpan) -> ReadableSpan:
    return ReadableSpan(
        # The names of signals and updates are their senders'.
        name=redact(span.name),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes={key: value for key, value in (span.attributes or {}).items() if key in _MAY_LEAVE},
        events=[_type_alone(each) for each in span.events if _EXCEPTION in (each.attributes or {})],
        links=[Link(each.context) for each in span.links],
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _type_alone(event: Event) -> Event:
    return Event("exception", {_EXCEPTION: (event.attributes or {})[_EXCEPTION]}, event.timestamp)
