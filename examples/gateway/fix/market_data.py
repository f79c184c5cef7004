"""Market data sessions: what is traded (x), and a picture of the market (V) that never changes."""

from collections.abc import Sequence
from decimal import Decimal

from countersign.gateway_client import Allowed
from examples.gateway.exchange import PRICE
from examples.gateway.fix.application import FieldFault, Unsupported
from examples.gateway.fix.trading import SYMBOL
from examples.gateway.fix.wire import Message, make, text_of, type_of

_SPREAD = Decimal(10)
_BID, _OFFER = 0, 1


class MarketData:
    """Answers from a fixed example."""

    def answer(self, _decision: Allowed, message: Message) -> Sequence[Message]:
        """Return the answer; raises ``Unsupported`` and ``FieldFault``."""
        match type_of(message):
            case "x":
                return [_securities(_required(message, 320, "SecurityReqID"))]
            case "V":
                return [_picture(_required(message, 262, "MDReqID"), symbol=text_of(message, 55))]
            case _:
                raise Unsupported


def _securities(request: str) -> Message:
    return make("y", (320, request), (322, request), (560, 0), (146, 1), (55, SYMBOL))


def _picture(request: str, *, symbol: str) -> Message:
    if symbol != SYMBOL:
        return make("Y", (262, request), (281, 0), (58, f"The one Symbol here is {SYMBOL}"))
    bid = ((269, _BID), (270, PRICE - _SPREAD), (271, 1))
    offer = ((269, _OFFER), (270, PRICE + _SPREAD), (271, 1))
    return make("W", (262, request), (55, SYMBOL), (268, 2), *bid, *offer)


def _required(message: Message, tag: int, name: str) -> str:
    text = text_of(message, tag)
    if not text:
        raise FieldFault(tag, f"{name} is missing")
    return text
