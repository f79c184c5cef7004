"""Every call of the API is measured, and is one call to logs and traces."""

import logging
import re
import time
from contextlib import AbstractContextManager
from uuid import UUID

from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import Answered, Metrics
from countersign.logs import CALLS
from countersign.telemetry import calls, spans
from countersign.telemetry.calls import Call

_LOG = logging.getLogger(CALLS)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_UNKNOWN = "unknown"
# Asked for again and again by machines, or by a page for its looks; and where the local stack's spans go to.
_UNTOLD = ("/healthz", "/readyz", "/metrics", "/static/", "/local/traces/")
_ABOUT = re.compile(r"/(?:requests|activate)/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:/|$)")
_SERVER_ERROR = 500
_PROPAGATOR = TraceContextTextMapPropagator()


class Measured:
    """ASGI middleware: counts every answer under the template of its route, and tells logs and traces of it."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        status = _SERVER_ERROR

        async def send_seen(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        with calls.begun(_named(scope["path"])) as call, _span(scope) as span:
            try:
                await self._app(scope, receive, send_seen)
            finally:
                answered = _answered(scope, status, time.monotonic() - began)
                self._metrics.count(answered)
                if not scope["path"].startswith(_UNTOLD):
                    _log(answered)
                if span is not None:
                    _complete(span, answered, call)


def _answered(scope: Scope, status: int, seconds: float) -> Answered:
    # Methods and paths are the caller's: kept as they come, they would make endless series, and tell of people.
    method = scope["method"] if scope["method"] in _METHODS else "other"
    route = str(getattr(scope.get("route"), "path", None) or _UNKNOWN)
    return Answered(method, route, status, seconds, problem=scope.get("state", {}).get("problem"))


def _named(path: str) -> UUID | None:
    found = _ABOUT.search(path)
    return UUID(found[1]) if found else None


def _log(answered: Answered) -> None:
    if _LOG.isEnabledFor(logging.INFO):
        fields = {
            "method": answered.method,
            "route": answered.route,
            "status": answered.status,
            "milliseconds": round(answered.seconds * 1000, 1),
            **({"problem": answered.problem} if answered.problem else {}),
        }
        _LOG.info("%s %s %d", answered.method, answered.route, answered.status, extra={"fields": fields})


def _span(scope: Scope) -> AbstractContextManager[Span | None]:
    if spans.tracer() is None or scope["path"].startswith(_UNTOLD):
        return spans.none()
    return spans.span("call", kind=SpanKind.SERVER, links=_links(scope))


def _links(scope: Scope) -> list[Link]:
    # A caller's trace is told of, and not followed: whoever calls could otherwise have every call of theirs traced.
    sent = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), None)
    if sent is None:
        return []
    context = get_current_span(_PROPAGATOR.extract({"traceparent": sent})).get_span_context()
    return [Link(context)] if context.is_valid else []


def _complete(span: Span, answered: Answered, call: Call) -> None:
    span.update_name(f"{answered.method} {answered.route}")
    span.set_attribute("http.request.method", answered.method)
    span.set_attribute("http.route", answered.route)
    span.set_attribute("http.response.status_code", answered.status)
    span.set_attribute("countersign.call", str(call.id))
    if call.request_id is not None:
        span.set_attribute(spans.REQUEST_ID, str(call.request_id))
    if answered.problem:
        span.set_attribute("countersign.problem", answered.problem)
    if answered.status >= _SERVER_ERROR:
        span.set_status(Status(StatusCode.ERROR))
