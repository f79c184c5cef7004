"""What the parts of the example share."""

from dataclasses import dataclass

from starlette.types import Scope

from countersign.gateway_client import GatewayClient
from examples.gateway.exchange import Exchange
from examples.gateway.sessions import OpenSessions
from examples.gateway.settings import GatewaySettings


@dataclass(frozen=True)
class Parts:
    """One of each."""

    settings: GatewaySettings
    gateway: GatewayClient
    exchange: Exchange
    sessions: OpenSessions


def parts_of(scope: Scope) -> Parts:
    """Return the parts of the application that was called."""
    parts: Parts = scope["app"].state.parts
    return parts
