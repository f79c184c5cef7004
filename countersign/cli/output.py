"""How commands print: tables for 80 columns, ids never broken, plain where there is no terminal."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer
from pydantic_core import to_json
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from countersign.storage.ledger import AuditEvent

_NARROWEST = 80


def console() -> Console:
    """Return a console that reads nothing as markup; on a narrow terminal the lines, not the ids, are broken."""
    found = Console(markup=False, emoji=False, highlight=False)
    found.width = max(found.width, _NARROWEST)
    return found


def listing(*headings: str) -> Table:
    """Return an empty table with these headings; a cell may have two lines."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 1, 0), header_style="bold")
    for heading in headings:
        table.add_column(heading, no_wrap=True, overflow="ellipsis")
    return table


def fields(values: Mapping[str, Any]) -> Table:
    """Return names and values, one a line; empty values are left out."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in values.items():
        if value not in (None, "", (), []):
            table.add_row(name, _text(value))
    return table


def events(found: "Iterable[AuditEvent]") -> Table:
    """Return audit events: number, when and by whom and from where, what and how."""
    table = listing("No.", "At / by / from", "Event")
    for event in found:
        actor = f"{event.actor_kind} {event.actor_id or ''}".strip()
        origin = "\n".join(filter(None, (moment(event.at), actor, str(event.ip or ""))))
        details = ", ".join(f"{name}: {value}" for name, value in event.details.items() if value)
        table.add_row(str(event.number), origin, f"{event.event}\n{details}")
    table.columns[2].no_wrap, table.columns[2].overflow = False, "fold"
    return table


def moment(at: datetime | None, *, seconds: bool = True) -> str:
    """Return the moment in UTC, or nothing."""
    if at is None:
        return ""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if seconds else f"{at:%Y-%m-%d %H:%M}"


def print_json(value: Any) -> None:
    """Print ``value``, models within it too, as JSON, for machines."""
    typer.echo(to_json(value, indent=2))


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, list | tuple):
        return ", ".join(str(each) for each in value)
    return str(value)
