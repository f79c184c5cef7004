"""Traces through Temporal: the SDK's own interceptor, made safe against whatever a header may hold.

Spans travel in headers, which go through the codec like all payloads. Any client of the namespace may send any header,
and the SDK's interceptor would fail on a strange one: the workflow task again and again, and the workflow were stuck.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from temporalio.activity import info
from temporalio.api.common.v1 import Payload
from temporalio.client import Interceptor as ClientInterceptor
from temporalio.contrib.opentelemetry import TracingInterceptor, TracingWorkflowInboundInterceptor
from temporalio.contrib.opentelemetry._context import attached_context
from temporalio.converter import PayloadConverter
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    HandleUpdateInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from countersign.telemetry import calls, spans

_Carrier = dict[str, str]
_TRACEPARENT = "traceparent"


def tracing() -> list[ClientInterceptor]:
    """Return what a client and its workers need for traces: nothing where they are off."""
    tracer = spans.tracer()
    return [] if tracer is None else [Tracing(tracer)]


class AboutRequests(Interceptor):
    """Lets what activities log and trace tell which request they work for."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - the SDK's name
        """Return the part that runs around each activity."""
        return _AboutRequest(next)


class _AboutRequest(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        with calls.begun(calls.request_of(info().workflow_id)):
            return await super().execute_activity(input)


class _Carriers(PayloadConverter):
    """Reads a carrier from any payload: from what is none, an empty one."""

    def to_payloads(self, values: Sequence[Any]) -> list[Payload]:
        return PayloadConverter.default.to_payloads(values)

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:  # noqa: ARG002 - the SDK's name
        return [_carrier(payload) for payload in payloads]


def _carrier(payload: Payload) -> _Carrier:
    try:
        [found] = PayloadConverter.default.from_payloads([payload])
    except Exception:  # noqa: BLE001 - whatever it is, it is no carrier, and an error would wedge the workflow
        return {}
    parent = found.get(_TRACEPARENT) if isinstance(found, dict) else None
    return {_TRACEPARENT: parent} if isinstance(parent, str) else {}


_CARRIERS = _Carriers()
_PROPAGATOR = TraceContextTextMapPropagator()  # and no baggage, which may hold anything


class Tracing(TracingInterceptor):
    """The SDK's, for clients and their workers."""

    def __init__(self, tracer: Any) -> None:
        super().__init__(tracer)
        self.payload_converter = _CARRIERS
        self.text_map_propagator = _PROPAGATOR

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type["_Workflow"]:  # noqa: A002 - the SDK's name
        """Return the part that runs beside each workflow."""
        super().workflow_interceptor_class(input)
        return _Workflow


class _Workflow(TracingWorkflowInboundInterceptor):
    def __init__(self, next: WorkflowInboundInterceptor) -> None:  # noqa: A002 - the SDK's name
        super().__init__(next)
        self.payload_converter = _CARRIERS
        self.text_map_propagator = _PROPAGATOR

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:  # noqa: A002 - the SDK's name
        """Let what the update brings about follow from who sent it, where the SDK would have the start's sender."""
        with self._continued(input.headers) as is_traced:
            if not is_traced:
                return await super().handle_update_handler(input)
            self._completed_span(f"HandleUpdate:{input.update}", kind=SpanKind.SERVER)
            return await self.next.handle_update_handler(input)

    @contextmanager
    def _continued(self, headers: Mapping[str, Payload]) -> Iterator[bool]:
        header = headers.get(self.header_key)
        carrier = _carrier(header) if header else {}
        if not carrier:
            yield False
            return
        with attached_context(self._set_on_context(self.text_map_propagator.extract(carrier))):
            yield True
