"""Spans of what this process does, where traces are on; where they are off, nothing, at no cost."""

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

from opentelemetry.trace import Link, Span, SpanKind, Tracer, get_current_span
from psycopg import AsyncCursor

REQUEST_ID = "countersign.request_id"
_OFF: AbstractContextManager[None] = nullcontext()
_WRITES = re.compile(r"(?<!FOR )(?<!DO )\b(INSERT|UPDATE|DELETE)\s+(?:INTO\s+|FROM\s+)?([a-z_]+)")
_READS = re.compile(r"\b(SELECT)\b.*?\bFROM\s+([a-z_]+)", re.DOTALL)
_INNERMOST = re.compile(r"\([^()]*\)")


class _Switch:
    tracer: Tracer | None = None


def switch(tracer: Tracer | None) -> None:
    """Make spans with the tracer from now on; None makes none."""
    _Switch.tracer = tracer


def tracer() -> Tracer | None:
    """Return what makes spans, or None where traces are off."""
    return _Switch.tracer


def none() -> AbstractContextManager[None]:
    """Make no span."""
    return _OFF


def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    links: Sequence[Link] = (),
    attributes: Mapping[str, str] | None = None,
) -> AbstractContextManager[Span | None]:
    """Make a span for the length of the block."""
    if _Switch.tracer is None:
        return _OFF
    return _Switch.tracer.start_as_current_span(name, kind=kind, links=links, attributes=attributes)


def step(
    name: str, *, kind: SpanKind = SpanKind.INTERNAL, attributes: Mapping[str, str] | None = None
) -> AbstractContextManager[Span | None]:
    """Make a span within another; nothing within none, where a chore looks for work, again and again."""
    if _Switch.tracer is None or not get_current_span().get_span_context().is_valid:
        return _OFF
    return span(name, kind=kind, attributes=attributes)


class TracedCursor(AsyncCursor[Any]):
    """A cursor whose statements are spans: the text with its placeholders, never a value."""

    async def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        """Run the statement."""
        text = _text(query)
        with step(_name(text), kind=SpanKind.CLIENT, attributes=_attributes(text)):
            return await super().execute(query, params, **options)


def _text(query: Any) -> str:
    if isinstance(query, bytes):
        return query.decode()
    return query if isinstance(query, str) else ""


@lru_cache(maxsize=512)
def _name(text: str) -> str:
    """Return what the statement does to which table: where it does several things, what it writes first."""
    found = _WRITES.search(text) or _READS.search(_without_parentheses(text)) or _READS.search(text)
    return f"{found[1].upper()} {found[2]}" if found else "SQL"


def _without_parentheses(text: str) -> str:
    """Return the statement without what it asks on the side."""
    shorter = _INNERMOST.sub(" ", text)
    return shorter if shorter == text else _without_parentheses(shorter)


@lru_cache(maxsize=512)
def _attributes(text: str) -> Mapping[str, str]:
    return {"db.system.name": "postgresql", "db.query.text": " ".join(text.split())}
