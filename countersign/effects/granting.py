"""What a credential may do: as audit events tell it, and as an edit changes it."""

from collections.abc import Iterable
from typing import Any

from countersign.domain.permissions import Permission, adds_funds
from countersign.domain.trading_limits import TradingLimit, TradingLimits, loosens, parse_trading_limits
from countersign.domain.whitelist import widens
from countersign.storage.credentials import Credential
from countersign.storage.requests import NewRequest, Request

SaidLimits = str | Iterable[TradingLimit]


def granted(to: Credential | Request) -> dict[str, Any]:
    """Return what the credential may do, or what the request asks for."""
    return {
        "permissions": list(to.permissions),
        "ip_whitelist": list(to.ip_whitelist),
        "trading_limits": [limit.model_dump() for limit in to.trading_limits],
    }


def limits_after(credential: Credential, levels: tuple[Permission, ...], said: SaidLimits | None) -> TradingLimits:
    """Return the trading limits after an edit: what it says, or the present ones while the key may trade."""
    if said is not None:
        return parse_trading_limits(said, permissions=levels)
    return credential.trading_limits if Permission.TRADE in levels else ()


def is_changed(before: Credential, after: NewRequest) -> bool:
    """Tell whether the edit lets the key do anything else than it may do; the whitelist's order does not count."""
    return (
        tuple(after.permissions) != before.permissions
        or set(after.ip_whitelist) != set(before.ip_whitelist)
        or after.trading_limits != before.trading_limits
    )


def lets_do_more(before: Credential, after: Request) -> bool:
    """Tell whether the edit asks for what owners are warned of: funds, more addresses, looser trading limits."""
    # Limits that go with the permission to trade let nothing through.
    trades = Permission.TRADE in after.permissions
    return (
        adds_funds(before.permissions, after.permissions)
        or widens(before.ip_whitelist, after.ip_whitelist)
        or (trades and loosens(before.trading_limits, after.trading_limits))
    )
