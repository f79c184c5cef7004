"""The client of trading gateways: asks a verifier, and follows what is revoked.

``async with GatewayClient(url, token=…) as gateway: decision = await gateway.verify_rest(…)``
"""

from countersign.domain.credentials import SessionType
from countersign.domain.permissions import Permission
from countersign.domain.trading_limits import TradingLimit
from countersign.domain.verification import Allowed, Denied, Lost, Revoked
from countersign.gateway_client.client import GatewayClient
from countersign.gateway_client.errors import NotLetIn, QuestionRefused, VerifierUnavailable

__all__ = [
    "Allowed",
    "Denied",
    "GatewayClient",
    "Lost",
    "NotLetIn",
    "Permission",
    "QuestionRefused",
    "Revoked",
    "SessionType",
    "TradingLimit",
    "VerifierUnavailable",
]
