"""Permission levels of an API key (article: How to create WebSocket/REST API Key)."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from countersign.domain.errors import UnknownPermission
from countersign.domain.quoting import enumerate_some, quote

_NAMED_IN_DETAIL = 20


class Permission(StrEnum):
    """A level that an API method can ask for."""

    READ = "read"
    TRADE = "trade"
    FUNDS_INTERNAL = "funds_internal"
    FUNDS_WALLET = "funds_wallet"
    FUNDS_EXTERNAL = "funds_external"


EXPLANATIONS: dict[Permission, str] = {
    Permission.READ: "See balances, orders, trades and account settings. Always on.",
    Permission.TRADE: "Place, change and cancel orders.",
    Permission.FUNDS_INTERNAL: "Move funds between sub-accounts of this account.",
    Permission.FUNDS_WALLET: "Move funds between this account and its wallet.",
    Permission.FUNDS_EXTERNAL: "Withdraw funds to addresses outside the exchange.",
}

# The words of other exchanges for the same (article: Creating an API Key for Your Trading Bot).
ALSO_CALLED: dict[Permission, tuple[str, ...]] = {
    Permission.READ: ("Account balance", "Open orders"),
    Permission.TRADE: ("Place order", "Cancel order"),
    Permission.FUNDS_INTERNAL: ("Internal transfer", "Sub-account transfer"),
    Permission.FUNDS_WALLET: ("Wallet transfer", "Universal transfer"),
    Permission.FUNDS_EXTERNAL: ("Withdrawal",),
}

FUNDS = frozenset({Permission.FUNDS_INTERNAL, Permission.FUNDS_WALLET, Permission.FUNDS_EXTERNAL})

BOT_PRESET = (Permission.READ, Permission.TRADE)


def parse_permissions(names: Iterable[str]) -> tuple[Permission, ...]:
    """Return the permissions in their fixed order, each once, ``read`` always among them.

    Names are exact: ``Trade`` is none. Raises ``UnknownPermission`` naming those that are none (the first 20).
    """
    wanted = set(names) | {Permission.READ}
    unknown = sorted(wanted - set(Permission))
    if unknown:
        named = enumerate_some((quote(name) for name in unknown), limit=_NAMED_IN_DETAIL)
        raise UnknownPermission(f"Unknown: {named}. Known: {', '.join(Permission)}.", known=list(Permission))
    return tuple(level for level in Permission if level in wanted)


def funds_permissions(levels: Iterable[Permission]) -> tuple[Permission, ...]:
    """Return those levels that move money."""
    return tuple(level for level in levels if level in FUNDS)


def adds_funds(before: Iterable[Permission], after: Iterable[Permission]) -> bool:
    """Tell whether ``after`` has a level that moves money and ``before`` has not."""
    return not set(funds_permissions(after)) <= set(before)


def effective_permissions(
    levels: Iterable[Permission], *, funds_from: datetime | None, at: datetime
) -> tuple[Permission, ...]:
    """Return the levels in effect at ``at``: those that move money only from ``funds_from`` on, if it is given.

    Gateways ask this, and never the granted levels alone.
    """
    held = funds_from is not None and at < funds_from
    return tuple(level for level in levels if not held or level not in FUNDS)
