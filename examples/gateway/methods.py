"""The private methods: which permission each needs, whether it changes something, and what it does."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from countersign.gateway_client import Allowed, Permission
from examples.gateway.amounts import read_amount
from examples.gateway.errors import BadRequest
from examples.gateway.exchange import BASE, PRICE, QUOTE, WALLET, Exchange, Order, Side

Body = Mapping[str, Any]
_LONGEST_TEXT = 64


@dataclass(frozen=True)
class Method:
    """One method. What ``changes_state`` is carried out once for one signature."""

    permission: Permission
    carry_out: Callable[[Exchange, Allowed, Body], Any]
    changes_state: bool = True


def wallet_balance(exchange: Exchange, decision: Allowed, _body: Body) -> Any:
    """Return what is in the wallet."""
    wallet = exchange.balances(decision.account_id)[WALLET]
    return {asset: {"balance": f"{balance.total:f}"} for asset, balance in wallet.items()}


def account_status(exchange: Exchange, decision: Allowed, _body: Body) -> Any:
    """Return what is where."""
    places = exchange.balances(decision.account_id)
    return {
        "convertedCurrency": QUOTE,
        "balancesPerAccounts": {
            place: {
                asset: {"balance": f"{balance.total:f}", "balanceOnHold": f"{balance.on_hold:f}"}
                for asset, balance in assets.items()
            }
            for place, assets in places.items()
        },
    }


def new_order(exchange: Exchange, decision: Allowed, body: Body) -> Any:
    """Place an order; a market order waits at the one price there is."""
    if (body.get("currency1"), body.get("currency2")) != (BASE, QUOTE):
        raise BadRequest(f"The one pair here is {BASE}-{QUOTE}")
    order = exchange.place_order(
        decision,
        client_id=_text(body, "clientOrderId"),
        place=_text(body, "accountId"),
        side=_side(body.get("side")),
        amount=read_amount(body.get("amountCcy1"), name="amountCcy1"),
        price=read_amount(body.get("price", str(PRICE)), name="price"),
    )
    return _execution_report(order, limit="price" in body)


def internal_transfer(exchange: Exchange, decision: Allowed, body: Body) -> Any:
    """Move funds between sub-accounts."""
    source, target = _text(body, "fromAccountId"), _text(body, "toAccountId")
    if WALLET in {source, target}:
        raise BadRequest("Between an account and the wallet there are methods of their own")
    return {"transactionId": _move(exchange, decision, body, source=source, target=target)}


def deposit_from_wallet(exchange: Exchange, decision: Allowed, body: Body) -> Any:
    """Move funds from the wallet to a sub-account."""
    _move(exchange, decision, body, source=WALLET, target=_text(body, "accountId"))
    return _approved(body)


def withdrawal_to_wallet(exchange: Exchange, decision: Allowed, body: Body) -> Any:
    """Move funds from a sub-account to the wallet."""
    _move(exchange, decision, body, source=_text(body, "accountId"), target=WALLET)
    return _approved(body)


def external_withdrawal(exchange: Exchange, decision: Allowed, body: Body) -> Any:
    """Send funds away."""
    _text(body, "address")
    amount = read_amount(body.get("amount"), name="amount")
    return {"transactionId": exchange.withdraw(decision.account_id, asset=_text(body, "currency"), amount=amount)}


METHODS: dict[str, Method] = {
    "get_my_wallet_balance": Method(Permission.READ, wallet_balance, changes_state=False),
    "get_my_account_status_v2": Method(Permission.READ, account_status, changes_state=False),
    "get_my_account_status_v3": Method(Permission.READ, account_status, changes_state=False),
    "do_my_new_order": Method(Permission.TRADE, new_order),
    "do_my_internal_transfer": Method(Permission.FUNDS_INTERNAL, internal_transfer),
    "do_deposit_funds_from_wallet": Method(Permission.FUNDS_WALLET, deposit_from_wallet),
    "do_withdrawal_funds_to_wallet": Method(Permission.FUNDS_WALLET, withdrawal_to_wallet),
    # CEX.IO's public documents have none for this; the name is the example's own.
    "do_my_external_withdrawal": Method(Permission.FUNDS_EXTERNAL, external_withdrawal),
}


def _text(body: Body, name: str) -> str:
    text = body.get(name)
    if not isinstance(text, str) or len(text) > _LONGEST_TEXT:
        raise BadRequest(f"{name} must be a text of at most {_LONGEST_TEXT} characters")
    return text


def _side(text: Any) -> Side:
    if text == "BUY":
        return "BUY"
    if text == "SELL":
        return "SELL"
    raise BadRequest("Mandatory parameter side should be one of BUY,SELL")


def _move(exchange: Exchange, decision: Allowed, body: Body, *, source: str, target: str) -> str:
    asset, amount = _text(body, "currency"), read_amount(body.get("amount"), name="amount")
    return exchange.move(decision.account_id, asset=asset, amount=amount, source=source, target=target)


def _approved(body: Body) -> dict[str, Any]:
    return {**{name: body.get(name) for name in ("accountId", "clientTxId", "currency")}, "status": "approved"}


def _execution_report(order: Order, *, limit: bool) -> dict[str, Any]:
    return {
        "messageType": "executionReport",
        "orderId": order.id,
        "clientOrderId": order.client_id,
        "accountId": order.place,
        "status": "NEW",
        "currency1": BASE,
        "currency2": QUOTE,
        "side": order.side,
        "executedAmountCcy1": "0",
        "executedAmountCcy2": "0",
        "requestedAmountCcy1": f"{order.amount:f}",
        "orderType": "Limit" if limit else "Market",
        "price": f"{order.price:f}",
        "serverCreateTimestamp": str(int(time.time() * 1000)),
    }
