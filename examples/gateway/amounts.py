"""Amounts as clients write them."""

import re
from decimal import Decimal

from examples.gateway.errors import BadRequest

# `Decimal` itself would take ``NaN``, ``1e999999`` and the digits of every script.
_AMOUNT = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)


def read_amount(text: object, *, name: str) -> Decimal:
    """Return the amount, which is more than zero; raises ``BadRequest``."""
    if not isinstance(text, str) or not _AMOUNT.fullmatch(text) or not Decimal(text):
        raise BadRequest(f"{name} must be an amount such as 0.25, more than zero")
    return Decimal(text)
