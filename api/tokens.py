"""Bearer tokens: JWTs (RFC 7519) that name the person and, for customers, the account."""

import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar
from uuid import UUID

import jwt
from pydantic import BaseModel, IPvAnyAddress, ValidationError

from api.jwks import FileKeys, Keys, RemoteKeys
from countersign.domain.errors import NotSignedIn
from countersign.settings import Settings

ALGORITHMS = ["ES256", "RS256", "EdDSA"]
_LEEWAY = timedelta(seconds=5)  # the clocks of the gateway and of this machine are never quite the same
_REMEMBERED = 4096
_REQUIRED = ["exp", "sub", "iss", "aud"]


class Claims(BaseModel, frozen=True):
    """Who calls, for which account, and from where if a gateway says so."""

    sub: UUID
    account: UUID | None = None
    ip: IPvAnyAddress | None = None


C = TypeVar("C", bound=BaseModel)


@dataclass(frozen=True)
class _Proven(Generic[C]):
    claims: C
    key_id: str | None
    key: jwt.PyJWK
    expires_at: int


class Tokens(Generic[C]):
    """Checks signature, issuer, audience and expiry, and takes the claims that ``model`` names."""

    def __init__(self, settings: Settings, *, audience: str, model: type[C]) -> None:
        self._proven: OrderedDict[bytes, _Proven[C]] = OrderedDict()
        self._issuer = settings.jwt_issuer
        self._audience = audience
        self._model = model
        self._keys: Keys = _keys(settings)

    async def claims(self, token: str) -> C:
        """Return the claims of a valid token; raises ``NotSignedIn``, or ``Unavailable`` without the issuer's keys.

        A token that was checked before is only looked up again, while the key that signed it is still the issuer's.
        """
        digest = hashlib.sha256(token.encode()).digest()
        proven = self._proven.get(digest)
        if proven and time.time() < proven.expires_at and await self._keys.find(proven.key_id) is proven.key:
            return proven.claims
        proven = await self._prove(token)
        self._proven[digest] = proven
        if len(self._proven) > _REMEMBERED:
            self._proven.popitem(last=False)
        return proven.claims

    async def _prove(self, token: str) -> _Proven[C]:
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
            key = await self._keys.find(key_id)
            if key is None:
                raise NotSignedIn("No key is known that could have signed the token.")
            return self._checked(token, key_id, key)
        except jwt.ExpiredSignatureError:
            raise NotSignedIn("The token has expired; get a new one.") from None
        except (jwt.PyJWTError, ValidationError, ValueError, TypeError):
            raise NotSignedIn("The token is not valid.") from None

    def _checked(self, token: str, key_id: str | None, key: jwt.PyJWK) -> _Proven[C]:
        # The key itself is handed over, not its number alone: with it goes the one algorithm it is for.
        decoded = jwt.decode(
            token,
            key,
            algorithms=ALGORITHMS,
            audience=self._audience,
            issuer=self._issuer,
            leeway=_LEEWAY,
            options={"require": _REQUIRED},
        )
        return _Proven(self._model.model_validate(decoded), key_id, key, expires_at=int(decoded["exp"]))


class TokenVerifier(Tokens[Claims]):
    """The tokens of people."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, audience=settings.jwt_audience, model=Claims)


def _keys(settings: Settings) -> Keys:
    if settings.jwt_jwks_url:
        return RemoteKeys(settings.jwt_jwks_url)
    return FileKeys(settings.jwt_key_file)
