"""What the forms of an API key ask for, and how it is understood while somebody types."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Form

from countersign.domain.errors import DomainError, InvalidInput
from countersign.domain.permissions import Permission, funds_permissions
from countersign.domain.trading_limits import TradingLimits, parse_trading_limits
from countersign.domain.whitelist import parse_whitelist
from countersign.storage.credentials import Credential

# The limit of bodies is the limit of both texts, and the rules say what is wrong with them.
Levels = Annotated[list[str], Form(max_length=100)]
Text = Annotated[str, Form()]
_SUMMED_UP_CHARACTERS = 8_000


@dataclass(frozen=True)
class Asked:
    """What a key is to do, as it was typed."""

    permissions: list[str]
    ip_whitelist: str
    trading_limits: str

    @property
    def typed(self) -> dict[str, Any]:
        """What a form that is shown again has in its fields."""
        return {
            "chosen": self.permissions,
            "ip_whitelist": self.ip_whitelist,
            "trading_limits": self.trading_limits,
        }


def _asked(
    permissions: Levels = [],  # noqa: B006 - FastAPI copies it
    ip_whitelist: Text = "",
    trading_limits: Text = "",
) -> Asked:
    return Asked(permissions, ip_whitelist, trading_limits)


UsedAsked = Annotated[Asked, Depends(_asked)]


def present(credential: Credential) -> Asked:
    """Return what somebody would have typed for the key as it is."""
    return Asked(
        list(credential.permissions),
        "\n".join(credential.ip_whitelist),
        "\n".join(map(str, credential.trading_limits)),
    )


def understood(asked: Asked, *, before: Credential | None, limit: int) -> dict[str, Any]:
    """Return how the form is understood: what stands in it or what is wrong, what an edit changes, what is unwise."""
    if len(asked.ip_whitelist) + len(asked.trading_limits) > _SUMMED_UP_CHARACTERS:
        # Every key that is pressed asks for this.
        return _too_long()
    chosen = [level for level in Permission if level in {*asked.permissions, Permission.READ}]
    entries, error = _whitelist(asked.ip_whitelist, limit=limit)
    limits, wrong_limits = _limits(asked.trading_limits, chosen)
    is_right = error is None and wrong_limits is None
    return {
        "entries": entries,
        "error": error,
        "limits": limits,
        "wrong_limits": wrong_limits,
        "unwise": not entries and error is None and bool(funds_permissions(chosen)),
        "changes": _changes(before, chosen, entries, limits) if before is not None and is_right else None,
    }


def _whitelist(text: str, *, limit: int) -> tuple[tuple[str, ...], DomainError | None]:
    try:
        return parse_whitelist(text, limit=limit), None
    except DomainError as problem:
        return (), problem


def _limits(text: str, chosen: list[Permission]) -> tuple[TradingLimits, DomainError | None]:
    try:
        return parse_trading_limits(text, permissions=chosen), None
    except DomainError as problem:
        return (), problem


def _too_long() -> dict[str, Any]:
    detail = f"Over {_SUMMED_UP_CHARACTERS} characters are not summed up here: send the form to hear what is wrong."
    nothing = {"entries": (), "limits": (), "wrong_limits": None, "unwise": False, "changes": None}
    return {**nothing, "error": InvalidInput(detail)}


def _changes(
    before: Credential, chosen: list[Permission], entries: tuple[str, ...], limits: TradingLimits
) -> dict[str, Any]:
    were = {limit.asset: limit for limit in before.trading_limits}
    limited = {limit.asset for limit in limits}
    return {
        "levels_added": [level for level in chosen if level not in before.permissions],
        "levels_removed": [level for level in before.permissions if level not in chosen],
        "entries_added": [entry for entry in entries if entry not in before.ip_whitelist],
        "entries_removed": [entry for entry in before.ip_whitelist if entry not in entries],
        "any_ip": bool(before.ip_whitelist) and not entries,
        "limits_set": [(each, were.get(each.asset)) for each in limits if each != were.get(each.asset)],
        "limits_lifted": [each for each in before.trading_limits if each.asset not in limited],
    }
