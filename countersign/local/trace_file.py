"""The spans that the local stack's collector keeps: one JSON object a line, in the data folder."""

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from pydantic import BaseModel

from countersign.local.files import PRIVATE_FILE
from countersign.telemetry.calls import trace_id_of

_NAME = "traces.jsonl"
_LARGE_BYTES = 20_000_000


class KeptSpan(BaseModel, frozen=True):
    """One span; times are in nanoseconds since 1970, ``parent_id`` is empty for one that follows from none."""

    trace_id: str
    span_id: str
    parent_id: str
    service: str
    name: str
    began: int
    ended: int
    failed: bool
    attributes: dict[str, str]


class TraceFile:
    """Of one data folder; a large one is put aside, once."""

    def __init__(self, data: Path) -> None:
        self._path = data / _NAME
        self._older = data / f"{_NAME}.1"
        self._lock = threading.Lock()

    def append(self, spans: Iterable[KeptSpan]) -> None:
        """Keep the spans."""
        text = "".join(f"{span.model_dump_json()}\n" for span in spans)
        with self._lock:
            with suppress(FileNotFoundError):
                if self._path.stat().st_size > _LARGE_BYTES:
                    self._path.replace(self._older)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)

    def about(self, request_id: UUID) -> list[KeptSpan]:
        """Return the spans of the request's trace, and those elsewhere that are about it; the earliest first."""
        wanted = (f"{trace_id_of(request_id):032x}", str(request_id))
        found = [KeptSpan.model_validate_json(line) for line in self._lines() if any(each in line for each in wanted)]
        return sorted(found, key=lambda span: span.began)

    def _lines(self) -> Iterator[str]:
        for path in (self._older, self._path):
            with suppress(FileNotFoundError), path.open(encoding="utf-8") as file:
                yield from file


def spans_in(export: ExportTraceServiceRequest) -> Iterator[KeptSpan]:
    """Yield the spans that an exporter sent."""
    for sent in export.resource_spans:
        service = _texts(sent.resource.attributes).get("service.name", "")
        for scope in sent.scope_spans:
            for span in scope.spans:
                yield _kept(span, service)


def _kept(span: Span, service: str) -> KeptSpan:
    return KeptSpan(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        service=service,
        name=span.name,
        began=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        attributes=dict(_texts(span.attributes)),
    )


def _texts(attributes: Iterable[KeyValue]) -> Mapping[str, str]:
    return {each.key: each.value.string_value or str(each.value.int_value) for each in attributes}
