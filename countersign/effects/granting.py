"""What a credential may do, as audit events tell it."""

from typing import Any

from countersign.storage.credentials import Credential
from countersign.storage.requests import Request


def granted(to: Credential | Request) -> dict[str, Any]:
    """Return what the credential may do, or what the request asks for."""
    return {
        "permissions": list(to.permissions),
        "ip_whitelist": list(to.ip_whitelist),
        "trading_limits": [limit.model_dump() for limit in to.trading_limits],
    }
