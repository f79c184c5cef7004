"""Who of ops types a command that stops, freezes or thaws something, and why."""

import getpass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from countersign.effects.orders import Order

Reason = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="Why; needed. Kept in the accounts' audit trails, which owners read."),
]
By = Annotated[
    str | None, typer.Option(metavar="NAME", help="Who you are, for the trails. Otherwise the name of your login.")
]


def order_of(*, reason: str | None, by: str | None) -> "Order":
    """Return the order that is typed now; raises ``InvalidInput`` without a reason, or without anybody's name."""
    from countersign.cli.server_side import OPS
    from countersign.effects.orders import Order, parse_name, parse_reason

    return Order(at=datetime.now(UTC), actor=OPS, by=parse_name(by or _login()), reason=parse_reason(reason or ""))


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # In a container nobody may have a name.
        return ""
