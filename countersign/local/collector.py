"""The local stack's collector: takes spans by OTLP/HTTP, as any collector of traces does, and keeps them in a file."""

import asyncio
from pathlib import Path

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from countersign.local.trace_file import TraceFile, spans_in

_PROTOBUF = "application/x-protobuf"


def collector(data: Path) -> Starlette:
    """Return the application that keeps what is sent to its ``/v1/traces`` in the data folder."""
    file = TraceFile(data)

    async def collect(request: Request) -> Response:
        if request.headers.get("content-type") != _PROTOBUF or "content-encoding" in request.headers:
            return PlainTextResponse(f"Spans are taken as {_PROTOBUF} alone, not compressed.", status_code=415)
        body = await request.body()
        try:
            await asyncio.to_thread(_keep, file, body)
        except DecodeError:
            return PlainTextResponse("This is no ExportTraceServiceRequest.", status_code=400)
        return Response(ExportTraceServiceResponse().SerializeToString(), media_type=_PROTOBUF)

    return Starlette(routes=[Route("/v1/traces", collect, methods=["POST"])])


def _keep(file: TraceFile, body: bytes) -> None:
    file.append(spans_in(ExportTraceServiceRequest.FromString(body)))
