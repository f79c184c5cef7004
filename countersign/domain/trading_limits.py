"""Trading limits of an API key, by asset (article: Creating an API Key for Your Trading Bot).

Gateways are told them with each verification, and keep them. An asset that none names has no limit.
"""

import re
from collections.abc import Container, Iterable
from decimal import Decimal

from pydantic import BaseModel, ConfigDict

from countersign.domain.errors import InvalidTradingLimits, LimitsWithoutTrade
from countersign.domain.permissions import Permission
from countersign.domain.quoting import quote, tell_by_problem

MOST_ASSETS = 20
_MOST_DIGITS_BEFORE_POINT = 20
_MOST_DIGITS_AFTER_POINT = 18
_NAMED_IN_DETAIL = 100

_ENDS_OF_LINES = re.compile("[\n\r\v\f\u0085\u2028\u2029;]+")
# They come along when people paste from pages and files.
_UNSEEN = re.compile("[\u200b\ufeff]")
_ASSET = re.compile("[A-Za-z0-9]{1,10}")
_DIGITS = re.compile("[0-9]+")

_NO_LINE = "Not like BTC order 1.5 day 10"
_NO_ASSET = "Not an asset of 1 to 10 letters A to Z and digits"
_NO_SIZE = "Neither an order size nor a daily volume"
_NO_AMOUNT = "Not an amount like 10 or 0.25, with a point"
_NOTHING = "Not more than zero"
_TOO_LONG = f"Over {_MOST_DIGITS_BEFORE_POINT} digits before the point or {_MOST_DIGITS_AFTER_POINT} after it"
_TWICE = "More than one limit of one asset"


class TradingLimit(BaseModel):
    """How much of an asset one order may have, and how much of it may be traded within a day (UTC).

    Amounts are decimals as text, since floats would round them; null is no limit.
    """

    model_config = ConfigDict(frozen=True)

    asset: str
    order_size: str | None = None
    daily_volume: str | None = None

    def __str__(self) -> str:
        """Return the limit as people type it."""
        order = "" if self.order_size is None else f" order {self.order_size}"
        return f"{self.asset}{order}" + ("" if self.daily_volume is None else f" day {self.daily_volume}")

    @property
    def in_words(self) -> str:
        """The limit as people read it."""
        order = f"{self.order_size} {self.asset} an order" if self.order_size is not None else ""
        day = f"{self.daily_volume} {self.asset} a day" if self.daily_volume is not None else ""
        return ", ".join(filter(None, (order, day)))


TradingLimits = tuple[TradingLimit, ...]


def parse_trading_limits(said: str | Iterable[TradingLimit], *, permissions: Iterable[Permission]) -> TradingLimits:
    """Return the limits in canonical form, by asset.

    Text has a line (or part between ``;``) for each asset: ``BTC order 1.5 day 10``, one of the two left out at will.
    Assets become upper-case, amounts lose zeros that say nothing. Raises ``InvalidTradingLimits`` naming every bad
    entry, among them a second one of an asset, or that they are too many; ``LimitsWithoutTrade`` where the permissions
    let nothing be traded.
    """
    good: dict[str, TradingLimit] = {}
    bad: dict[str, str] = {}
    for entry in _lines(said) if isinstance(said, str) else said:
        try:
            limit = _canonical(entry, besides=good)
            good[limit.asset] = limit
        except ValueError as problem:
            bad[str(entry)] = str(problem)
    if bad:
        raise _refusal(bad)
    if len(good) > MOST_ASSETS:
        raise InvalidTradingLimits(f"At most {MOST_ASSETS} assets; these are {len(good)}.", limit=MOST_ASSETS)
    if good and Permission.TRADE not in permissions:
        raise LimitsWithoutTrade
    return tuple(good[asset] for asset in sorted(good))


def loosens(before: TradingLimits, after: TradingLimits) -> bool:
    """Tell whether ``after`` lets more of an asset be traded than ``before``; both as ``parse_trading_limits`` returns.

    An asset that is no longer named has no limit any more.
    """
    new = {limit.asset: limit for limit in after}
    return any(_is_looser(limit, new.get(limit.asset, TradingLimit(asset=limit.asset))) for limit in before)


def tell_permissions(permissions: Iterable[Permission], limits: TradingLimits) -> str:
    """Return the permissions in a row, for where there is room for one line, and that there are trading limits."""
    return ", ".join([*permissions, *(["with trading limits"] if limits else [])])


def _is_looser(before: TradingLimit, after: TradingLimit) -> bool:
    return _is_above(after.order_size, before.order_size) or _is_above(after.daily_volume, before.daily_volume)


def _is_above(amount: str | None, other: str | None) -> bool:
    return other is not None and (amount is None or Decimal(amount) > Decimal(other))


def _lines(text: str) -> Iterable[str]:
    return filter(None, (" ".join(line.split()) for line in _ENDS_OF_LINES.split(_UNSEEN.sub(" ", text))))


def _read(line: str) -> TradingLimit:
    """Return what a line says, as it says it; colons and commas between the words are no matter."""
    asset, *said = (word.strip(",:") for word in line.split(" "))
    amounts = dict(zip((name.casefold() for name in said[::2]), said[1::2], strict=False))
    if not amounts or len(said) != 2 * len(amounts) or not amounts.keys() <= {"order", "day"}:
        raise ValueError(_NO_LINE)
    return TradingLimit(asset=asset, order_size=amounts.get("order"), daily_volume=amounts.get("day"))


def _canonical(entry: str | TradingLimit, *, besides: Container[str]) -> TradingLimit:
    said = _read(entry) if isinstance(entry, str) else entry
    asset = said.asset.upper()
    if not _ASSET.fullmatch(said.asset):
        raise ValueError(_NO_ASSET)
    if said.order_size is None and said.daily_volume is None:
        raise ValueError(_NO_SIZE)
    if asset in besides:
        raise ValueError(_TWICE)
    return TradingLimit(asset=asset, order_size=_amount(said.order_size), daily_volume=_amount(said.daily_volume))


def _amount(text: str | None) -> str | None:
    if text is None:
        return None
    whole, point, part = text.partition(".")
    if not _DIGITS.fullmatch(whole) or (point and not _DIGITS.fullmatch(part)):
        raise ValueError(_NO_AMOUNT)
    whole, part = whole.lstrip("0"), part.rstrip("0")
    if not whole and not part:
        raise ValueError(_NOTHING)
    if len(whole) > _MOST_DIGITS_BEFORE_POINT or len(part) > _MOST_DIGITS_AFTER_POINT:
        raise ValueError(_TOO_LONG)
    return f"{whole or '0'}.{part}" if part else whole


def _refusal(bad: dict[str, str]) -> InvalidTradingLimits:
    detail = tell_by_problem(((quote(entry), problem) for entry, problem in bad.items()), limit=_NAMED_IN_DETAIL)
    return InvalidTradingLimits(detail, bad_entries=[quote(entry) for entry in bad])
