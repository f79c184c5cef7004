"""What a key may trade: the limits that come with each verification."""

from decimal import Decimal
from uuid import uuid4

import pytest

from countersign.gateway_client import Allowed, Permission, TradingLimit
from examples.gateway.amounts import read_amount
from examples.gateway.errors import BadRequest, OrderRefused
from examples.gateway.exchange import PRICE, WALLET, Exchange, Order

NOT_FOR_ONE = "More than 0.4 BTC, the most for one order with this key"
NOT_FOR_TODAY = "More than 0.6 BTC, the most for one day with this key"


def trader(*limits: dict[str, str | None]) -> Allowed:
    return Allowed(
        credential_id=uuid4(),
        account_id=uuid4(),
        permissions=(Permission.READ, Permission.TRADE),
        session_type=None,
        trading_limits=tuple(TradingLimit.model_validate(limit) for limit in limits),
        version=1,
    )


def order(exchange: Exchange, decision: Allowed, amount: str) -> Order:
    return exchange.place_order(
        decision, client_id="one", place="trading", side="SELL", amount=Decimal(amount), price=PRICE
    )


def test_an_order_is_held_against_the_limits_of_its_key() -> None:
    exchange, decision = Exchange(), trader({"asset": "BTC", "order_size": "0.4", "daily_volume": "0.6"})
    order(exchange, decision, "0.4")
    with pytest.raises(OrderRefused, match=NOT_FOR_ONE):
        order(exchange, decision, "0.41")
    with pytest.raises(OrderRefused, match=NOT_FOR_TODAY):
        order(exchange, decision, "0.21")
    # What was refused was not counted.
    order(exchange, decision, "0.2")


def test_the_worth_of_an_order_counts_too() -> None:
    exchange, decision = Exchange(), trader({"asset": "USD", "order_size": "600", "daily_volume": None})
    order(exchange, decision, "0.01")
    with pytest.raises(OrderRefused, match="600 USD"):
        order(exchange, decision, "0.011")


def test_limits_of_one_key_leave_others_of_the_account_alone() -> None:
    exchange, limited = Exchange(), trader({"asset": "BTC", "order_size": None, "daily_volume": "0.4"})
    other = trader().model_copy(update={"account_id": limited.account_id})
    order(exchange, other, "0.5")
    order(exchange, limited, "0.4")


def test_what_is_held_for_an_order_can_be_neither_sold_nor_moved() -> None:
    exchange, decision = Exchange(), trader()
    order(exchange, decision, "1.5")
    with pytest.raises(OrderRefused, match="Insufficient funds"):
        order(exchange, decision, "0.6")
    with pytest.raises(OrderRefused, match="Insufficient funds"):
        exchange.move(decision.account_id, asset="BTC", amount=Decimal("0.6"), source="trading", target=WALLET)
    exchange.move(decision.account_id, asset="BTC", amount=Decimal("0.5"), source="trading", target=WALLET)
    assert exchange.balances(decision.account_id)[WALLET]["BTC"].free == Decimal("2.5")


def test_a_withdrawal_takes_from_the_wallet_alone() -> None:
    exchange, decision = Exchange(), trader()
    exchange.withdraw(decision.account_id, asset="BTC", amount=Decimal(2))
    with pytest.raises(OrderRefused, match="Insufficient funds"):
        exchange.withdraw(decision.account_id, asset="BTC", amount=Decimal(1))


@pytest.mark.parametrize("text", ["0", "0.0", "-1", "1e9", "NaN", "٣", "1.", ".5", "", None, 1, "1" * 19])
def test_an_amount_that_is_none_is_refused(text: object) -> None:
    with pytest.raises(BadRequest, match="amountCcy1"):
        read_amount(text, name="amountCcy1")
