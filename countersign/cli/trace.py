"""``countersign trace``: a request from its first call to its last mail, as the local stack's collector keeps it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from countersign.cli.context import command_settings
from countersign.domain.errors import NotFound

if TYPE_CHECKING:
    from countersign.local.trace_file import KeptSpan

_MILLISECOND = 1_000_000
_SECOND_MS = 1_000
_SQL_CHARACTERS = 90
_TOLD = ("http.response.status_code", "countersign.problem")


def trace(
    request_id: Annotated[UUID, typer.Argument(metavar="REQUEST_ID")],
    *,
    sql: Annotated[bool, typer.Option("--sql", help="Show the statements, too.")] = False,
) -> None:
    """Print the trace of a request on the local stack: when each thing began, how long it took, what it led to."""
    from countersign.local.trace_file import TraceFile

    spans = TraceFile(command_settings().data).about(request_id)
    if not spans:
        raise NotFound("The local stack keeps no trace of that request; spans come some seconds late.")
    typer.echo(f"{request_id}: {len(spans)} spans in {len({span.trace_id for span in spans})} trace")
    typer.echo(f"{'began':>10} {'took':>9}")
    for line in lines(spans, sql=sql):
        typer.echo(line)


def lines(spans: "Sequence[KeptSpan]", *, sql: bool) -> Iterator[str]:
    """Yield a line for each span, below the one it follows from; times are since the first began."""
    known = {span.span_id for span in spans}
    below: dict[str, list[KeptSpan]] = defaultdict(list)
    for span in spans:
        below[span.parent_id if span.parent_id in known else ""].append(span)
    yield from _tree(below, "", first=spans[0].began, depth=0, sql=sql)


def _tree(below: "dict[str, list[KeptSpan]]", parent: str, *, first: int, depth: int, sql: bool) -> Iterator[str]:
    for span in below[parent]:
        yield _line(span, first=first, depth=depth, sql=sql)
        yield from _tree(below, span.span_id, first=first, depth=depth + 1, sql=sql)


def _line(span: "KeptSpan", *, first: int, depth: int, sql: bool) -> str:
    began, took = (span.began - first) / _MILLISECOND, (span.ended - span.began) / _MILLISECOND
    told = [span.name, *(span.attributes[name] for name in _TOLD if name in span.attributes)]
    if sql and (text := span.attributes.get("db.query.text")):
        told.append(f"| {text[:_SQL_CHARACTERS]}")
    if depth == 0:
        told.append(f"({span.service})")
    if span.failed:
        told.append("FAILED")
    # What workflows mark has a moment and no length.
    return f"{_told(began):>10} {_told(took) if span.ended > span.began else '':>9} {'  ' * depth}{' '.join(told)}"


def _told(milliseconds: float) -> str:
    if milliseconds >= _SECOND_MS:
        return f"{milliseconds / _SECOND_MS:,.2f} s"
    return f"{milliseconds:.1f} ms"
