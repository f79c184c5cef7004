"""Trading limits as they go over the wire."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from countersign.domain.trading_limits import TradingLimit, TradingLimits

TradingLimitsOut = Annotated[
    TradingLimits, Field(description="How much the key may trade, by asset. None at all: it has no limits.")
]
EXAMPLE = [{"asset": "BTC", "order_size": "1.5", "daily_volume": "10"}]
Amount = Annotated[
    str | None,
    Field(
        max_length=100,
        description="A decimal as text, above zero, at most 20 digits before and 18 after the point. Null: no limit.",
    ),
]


class TradingLimitIn(BaseModel):
    """How much of an asset one order may have, and how much of it may be traded within a day (UTC); one or both."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    asset: str = Field(max_length=100, description="Its ticker, at most ten letters and digits.", examples=["BTC"])
    order_size: Amount = Field(default=None, examples=["1.5"])
    daily_volume: Amount = Field(default=None, examples=["10"])


def asked_limits(limits: list[TradingLimitIn] | None) -> list[TradingLimit] | None:
    """Return the trading limits as they were asked for; None where nothing was said of them."""
    return None if limits is None else [TradingLimit(**dict(limit)) for limit in limits]
