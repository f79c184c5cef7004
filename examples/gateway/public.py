"""The public methods, which clients ask before all others: what is traded here."""

from typing import Any

from examples.gateway.exchange import BASE, PRICE, QUOTE

_PAIR = {
    "base": BASE,
    "quote": QUOTE,
    "baseMin": "0.0001",
    "baseMax": "1000",
    "baseLotSize": "0.00000001",
    "quoteMin": "1",
    "quoteMax": "100000000",
    "quoteLotSize": "0.01",
    "basePrecision": "8",
    "quotePrecision": "2",
    "pricePrecision": "1",
    "minPrice": "1",
    "maxPrice": f"{100 * PRICE:f}",
}
_CURRENCIES = [
    {"currency": BASE, "fiat": False, "precision": "8", "walletPrecision": "8", "walletDeposit": True},
    {"currency": QUOTE, "fiat": True, "precision": "2", "walletPrecision": "2", "walletDeposit": True},
]

ANSWERS: dict[str, Any] = {
    "get_pairs_info": [_PAIR],
    "get_currencies_info": _CURRENCIES,
    "get_processing_info": {},
}
