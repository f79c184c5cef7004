"""An exchange of two assets, in memory: every account that comes is given some of each."""

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Literal
from uuid import UUID

from countersign.gateway_client import Allowed
from examples.gateway.errors import OrderRefused
from examples.gateway.limits import TradingLimits

Side = Literal["BUY", "SELL"]
WALLET = ""
BASE, QUOTE = "BTC", "USD"
PRICE = Decimal(60_000)
_GIFT = {BASE: Decimal(2), QUOTE: Decimal(100_000)}


@dataclass
class Balance:
    """How much there is of an asset, and how much of that is held for orders."""

    total: Decimal
    on_hold: Decimal = Decimal(0)

    @property
    def free(self) -> Decimal:
        """How much can be spent."""
        return self.total - self.on_hold


@dataclass(frozen=True)
class Order:
    """An order that waits for ever: nobody else trades here."""

    id: str
    client_id: str
    place: str
    side: Side
    amount: Decimal
    price: Decimal


Places = dict[str, dict[str, Balance]]


def _gift() -> Places:
    return {place: {asset: Balance(total) for asset, total in _GIFT.items()} for place in (WALLET, "trading")}


class Exchange:
    """Ledger and orders. Each account has a wallet, and sub-accounts by name."""

    def __init__(self) -> None:
        self._accounts: defaultdict[UUID, Places] = defaultdict(_gift)
        self._limits = TradingLimits()
        self._numbers = count(1)
        self.orders: dict[UUID, list[Order]] = defaultdict(list)

    def balances(self, account_id: UUID) -> Places:
        """Return the balances by place and asset."""
        return self._accounts[account_id]

    def place_order(
        self, decision: Allowed, *, client_id: str, place: str, side: Side, amount: Decimal, price: Decimal
    ) -> Order:
        """Return the order, for which funds are held; raises ``OrderRefused``."""
        worth = amount * price
        asset, needed = (QUOTE, worth) if side == "BUY" else (BASE, amount)
        balance = self._balance(decision.account_id, place, asset)
        if needed > balance.free:
            raise OrderRefused("Insufficient funds")
        self._limits.take(decision, {BASE: amount, QUOTE: worth})
        balance.on_hold += needed
        order = Order(str(next(self._numbers)), client_id, place, side, amount, price)
        self.orders[decision.account_id].append(order)
        return order

    def move(self, account_id: UUID, *, asset: str, amount: Decimal, source: str, target: str) -> str:
        """Move funds between places of an account, return a transaction's id; raises ``OrderRefused``."""
        self._spend(account_id, asset=asset, amount=amount, source=source)
        self._accounts[account_id].setdefault(target, {}).setdefault(asset, Balance(Decimal(0))).total += amount
        return str(next(self._numbers))

    def withdraw(self, account_id: UUID, *, asset: str, amount: Decimal) -> str:
        """Take funds out of the wallet, return a transaction's id; raises ``OrderRefused``."""
        self._spend(account_id, asset=asset, amount=amount, source=WALLET)
        return str(next(self._numbers))

    def _spend(self, account_id: UUID, *, asset: str, amount: Decimal, source: str) -> None:
        balance = self._balance(account_id, source, asset)
        if amount > balance.free:
            raise OrderRefused("Insufficient funds")
        balance.total -= amount

    def _balance(self, account_id: UUID, place: str, asset: str) -> Balance:
        return self._accounts[account_id].get(place, {}).get(asset, Balance(Decimal(0)))
