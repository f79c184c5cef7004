"""Which service asks: by a token for the verifier's audience (RFC 7519), or by its certificate (mutual TLS)."""

import time
from typing import Any

from pydantic import BaseModel, Field
from starlette.types import Scope

from api.tokens import Tokens
from countersign.domain.errors import NotSignedIn
from countersign.settings import Settings

PEER_NAMES = "peer_names"
_BEARER = "bearer "
# A gateway shows the same token thousands of times a second: to look at it once a second is soon enough.
_REMEMBERED_SECONDS = 1.0
_REMEMBERED = 100


class ServiceClaims(BaseModel, frozen=True):
    """The service that a token names."""

    sub: str = Field(min_length=1, max_length=255)


class Identity:
    """Lets gateways in. A person's token is for another audience, and opens nothing here."""

    def __init__(self, settings: Settings) -> None:
        self._tokens = Tokens(settings, audience=settings.verifier.audience, model=ServiceClaims)
        self._names = frozenset(settings.verifier.client_names)
        self._let_in: dict[bytes, float] = {}

    async def require(self, scope: Scope) -> None:
        """Return for a service that may ask; raises ``NotSignedIn``, and ``Unavailable`` without the issuer's keys."""
        if not self._names.isdisjoint(scope.get("state", {}).get(PEER_NAMES, ())):
            return
        header = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        if self._let_in.get(header, 0.0) > time.monotonic():
            return
        await self._prove(header.decode("latin-1"))
        if len(self._let_in) >= _REMEMBERED:
            self._let_in.clear()
        self._let_in[header] = time.monotonic() + _REMEMBERED_SECONDS

    async def _prove(self, told: str) -> None:
        if told[: len(_BEARER)].lower() != _BEARER:
            raise NotSignedIn("A bearer token is needed, or a client certificate of a name that is let in.")
        await self._tokens.claims(told[len(_BEARER) :].strip())


def names_of(certificate: dict[str, Any] | None) -> frozenset[str]:
    """Return the names that a checked certificate bears: DNS names and URIs of its subject alternative name."""
    alternatives = (certificate or {}).get("subjectAltName", ())
    return frozenset(name for kind, name in alternatives if kind in {"DNS", "URI"})
