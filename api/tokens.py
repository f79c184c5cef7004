"""Bearer tokens: JWTs (RFC 7519) that name the person and, for customers, the account."""

import asyncio
import json
from typing import Any
from uuid import UUID

import jwt
from pydantic import BaseModel, IPvAnyAddress, ValidationError

from countersign.domain.errors import NotSignedIn
from countersign.settings import Settings

_ALGORITHMS = ["ES256", "RS256", "EdDSA"]


class Claims(BaseModel, frozen=True):
    """Who calls, for which account, and from where if a gateway says so."""

    sub: UUID
    account: UUID | None = None
    ip: IPvAnyAddress | None = None


class TokenVerifier:
    """Checks signature, issuer, audience and expiry."""

    def __init__(self, settings: Settings) -> None:
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience
        self._remote = jwt.PyJWKClient(settings.jwt_jwks_url, timeout=5) if settings.jwt_jwks_url else None
        self._keys = _keys_of_file(settings) if settings.jwt_key_file else []

    async def claims(self, token: str) -> Claims:
        """Return the claims of a valid token; raises ``NotSignedIn``."""
        try:
            key = await self._key(token)
            decoded = jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                audience=self._audience,
                issuer=self._issuer,
                options={"require": ["exp", "sub", "iss", "aud"]},
            )
            return Claims.model_validate(decoded)
        except jwt.ExpiredSignatureError:
            raise NotSignedIn("The token has expired; get a new one.") from None
        except (jwt.PyJWTError, ValidationError, ValueError):
            raise NotSignedIn("The token is not valid.") from None

    async def _key(self, token: str) -> Any:
        if self._remote is not None:
            return (await asyncio.to_thread(self._remote.get_signing_key_from_jwt, token)).key
        kid = jwt.get_unverified_header(token).get("kid")
        matching = [key for key in self._keys if key.key_id == kid] or self._keys
        if not matching:
            raise NotSignedIn("No key is known that could have signed the token.")
        return matching[0].key


def _keys_of_file(settings: Settings) -> list[jwt.PyJWK]:
    if settings.jwt_key_file is None:
        return []
    document = json.loads(settings.jwt_key_file.read_text(encoding="utf-8"))
    return list(jwt.PyJWKSet.from_dict(document).keys)
