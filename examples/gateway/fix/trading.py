"""Trade sessions: NewOrderSingle (D) is answered by an ExecutionReport (8)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count

from countersign.gateway_client import Allowed
from examples.gateway.amounts import read_amount
from examples.gateway.errors import BadRequest, OrderRefused
from examples.gateway.exchange import BASE, PRICE, QUOTE, Exchange, Side
from examples.gateway.fix.application import FieldFault, Unsupported
from examples.gateway.fix.wire import Message, make, text_of, type_of

SYMBOL = f"{BASE}/{QUOTE}"
_SIDES: dict[str, Side] = {"1": "BUY", "2": "SELL"}
_MARKET = "1"
_NEW, _REJECTED = "0", "8"
_EXCEEDS_LIMIT = "3"


class Trading:
    """Places orders, within the trading limits of the session's credential."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._executions = count(1)

    def answer(self, decision: Allowed, message: Message) -> Sequence[Message]:
        """Return the report; raises ``Unsupported`` and ``FieldFault``."""
        if type_of(message) != "D":
            raise Unsupported
        if text_of(message, 55) != SYMBOL:
            raise FieldFault(55, f"The one Symbol here is {SYMBOL}")
        side = _SIDES.get(text_of(message, 54))
        if side is None:
            raise FieldFault(54, "Side must be 1 (buy) or 2 (sell)")
        return [self._place(decision, message, side)]

    def _place(self, decision: Allowed, message: Message, side: Side) -> Message:
        try:
            order = self._exchange.place_order(
                decision,
                client_id=text_of(message, 11),
                place=text_of(message, 1) or "trading",
                side=side,
                amount=_amount(message, 38, "OrderQty"),
                price=PRICE if text_of(message, 40) == _MARKET else _amount(message, 44, "Price"),
            )
        except OrderRefused as error:
            return self._report(message, "NONE", _REJECTED, (103, _EXCEEDS_LIMIT), (58, str(error)))
        return self._report(message, order.id, _NEW)

    def _report(self, message: Message, order_id: str, status: str, *more: tuple[int, object]) -> Message:
        copied = [(tag, text_of(message, tag)) for tag in (11, 55, 54, 38) if text_of(message, tag)]
        leaves = "0" if status == _REJECTED else text_of(message, 38)
        report = make(
            "8",
            (37, order_id),
            (17, next(self._executions)),
            (150, status),
            (39, status),
            *copied,
            (151, leaves),
            (14, 0),
            (6, 0),
            *more,
        )
        report.append_utc_timestamp(60, datetime.now(UTC))
        return report


def _amount(message: Message, tag: int, name: str) -> Decimal:
    try:
        return read_amount(text_of(message, tag), name=name)
    except BadRequest as error:
        raise FieldFault(tag, str(error)) from None
