"""What a stack that is ready shows: where everything is, who may sign in, and what to do next."""

from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from countersign.local.demo import DEMO_USERS

_NEXT = {
    "countersign demo": "walks through a whole creation",
    "countersign token NAME": "prints a bearer token of a demo user",
    "Ctrl-C": "stops everything; the data stays (ARGS=--fresh empties it)",
}


@dataclass(frozen=True)
class Addresses:
    """Where the parts of a stack are; ``temporal_ui`` and ``worker`` are empty where there is none."""

    api: str
    worker: str
    temporal: str
    temporal_ui: str
    postgres: str
    verifier: str
    data: Path


def welcome(addresses: Addresses, *, seconds: float) -> Table:
    """Return it as something to print; ``seconds`` is how long the start took."""
    table = Table.grid(padding=(0, 2))
    table.title = f"Countersign is ready ({seconds:.1f} s): a local stack, on loopback only"
    table.title_justify = "left"
    for label, value in _places(addresses).items():
        table.add_row(label, value)
    _add_section(table, "Demo users", {user.name: user.description for user in DEMO_USERS})
    _add_section(table, "Next", _NEXT)
    return table


def _places(addresses: Addresses) -> dict[str, str]:
    places = {
        "Pages": f"{addresses.api}/",
        "API": addresses.api,
        "API reference": f"{addresses.api}/openapi.json",
        "Verifier": addresses.verifier,
        "Temporal UI": addresses.temporal_ui,
        "Temporal": addresses.temporal,
        "PostgreSQL": addresses.postgres,
        "SMS and mail": f"{addresses.api}/local/messages",
        "Metrics": " ".join(f"{each}/metrics" for each in (addresses.api, addresses.worker) if each),
        "Data": str(addresses.data),
    }
    return {label: place for label, place in places.items() if place}


def _add_section(table: Table, title: str, rows: dict[str, str]) -> None:
    table.add_row()
    table.add_row(title, style="bold")
    for label, value in rows.items():
        table.add_row(f"  {label}", value)
