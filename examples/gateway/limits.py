"""The trading limits that came with a verification: how much an order may be, and all orders of a day (UTC)."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from countersign.gateway_client import Allowed, TradingLimit
from examples.gateway.errors import OrderRefused


class TradingLimits:
    """Holds orders against the limits of their credential, and remembers what was traded today."""

    def __init__(self) -> None:
        self._day: date | None = None
        self._traded: dict[tuple[UUID, str], Decimal] = {}

    def take(self, decision: Allowed, amounts: Mapping[str, Decimal]) -> None:
        """Count an order of so much of each asset, or raise ``OrderRefused`` and count nothing."""
        self._begin_day(datetime.now(UTC).date())
        for limit in decision.trading_limits:
            self._require(decision, limit, amounts.get(limit.asset, Decimal(0)))
        for asset, amount in amounts.items():
            self._traded[decision.credential_id, asset] = self._traded_today(decision, asset) + amount

    def _require(self, decision: Allowed, limit: TradingLimit, amount: Decimal) -> None:
        asset, size, volume = limit.asset, limit.order_size, limit.daily_volume
        if size is not None and amount > Decimal(size):
            raise OrderRefused(f"More than {size} {asset}, the most for one order with this key")
        if volume is not None and self._traded_today(decision, asset) + amount > Decimal(volume):
            raise OrderRefused(f"More than {volume} {asset}, the most for one day with this key")

    def _traded_today(self, decision: Allowed, asset: str) -> Decimal:
        return self._traded.get((decision.credential_id, asset), Decimal(0))

    def _begin_day(self, today: date) -> None:
        if today != self._day:
            self._day, self._traded = today, {}
