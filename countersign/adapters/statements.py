"""An account manager's signed statement: who decides what about which version of a credential."""

from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import jwt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from countersign.adapters.keyring import KeyNotHeld, KeyRing, Purpose
from countersign.domain.errors import InvalidStatement

_ALGORITHM = "HS256"
_AUDIENCE = "countersign/account-manager-decision"
_REASON_LENGTH = 500


class Statement(BaseModel):
    """One decision, good until ``expires_at`` (whole seconds) and, by its ``id``, only once."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    manager: UUID
    decision: Literal["activate", "reject"]
    request_id: UUID
    credential_version: int = Field(ge=0)
    reason: str = Field(default="", max_length=_REASON_LENGTH)
    id: str = Field(min_length=1, max_length=64)
    expires_at: datetime

    @field_validator("expires_at")
    @classmethod
    def _in_whole_seconds(cls, moment: datetime) -> datetime:
        if moment.tzinfo is None:
            raise ValueError("a time zone is needed")
        return moment.astimezone(UTC).replace(microsecond=0)


def sign(key_ring: KeyRing, statement: Statement) -> str:
    """Return the statement as a compact JWT (RFC 7519), signed under the ring's current key."""
    claims = {
        "aud": _AUDIENCE,
        "sub": str(statement.manager),
        "jti": statement.id,
        "exp": int(statement.expires_at.timestamp()),
        "decision": statement.decision,
        "request": str(statement.request_id),
        "version": statement.credential_version,
        "reason": statement.reason,
    }
    key = key_ring.key(Purpose.STATEMENT)
    return jwt.encode(claims, key, algorithm=_ALGORITHM, headers={"kid": key_ring.current})


def read(key_ring: KeyRing, token: str, *, at: datetime) -> Statement:
    """Return the statement of ``token`` if it is genuine and still good at ``at``.

    Raises ``InvalidStatement`` whose detail and ``fault`` member say whether it is malformed, not signed by
    us, or expired. That it was not used before is for the caller to check, by its ``id``.
    """
    statement = _statement(_claims(key_ring, token))
    if at >= statement.expires_at:
        raise InvalidStatement("The statement has expired; sign a new one.", fault="expired")
    return statement


def _claims(key_ring: KeyRing, token: str) -> dict[str, Any]:
    try:
        kid = str(jwt.get_unverified_header(token).get("kid", ""))
        # Expiry is checked against the caller's clock: the workflow's, not this machine's.
        options: Any = {"verify_exp": False, "verify_iat": False, "require": ["exp", "aud"]}
        key = key_ring.key(Purpose.STATEMENT, kid)
        return jwt.decode(token, key, algorithms=[_ALGORITHM], audience=_AUDIENCE, options=options)
    except (jwt.InvalidSignatureError, KeyNotHeld):
        raise InvalidStatement("The statement was not signed by a key of this system.", fault="signature") from None
    except jwt.PyJWTError:
        raise _malformed() from None


def _statement(claims: dict[str, Any]) -> Statement:
    try:
        return Statement(
            manager=claims["sub"],
            decision=claims["decision"],
            request_id=claims["request"],
            credential_version=claims["version"],
            reason=claims["reason"],
            id=claims["jti"],
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        )
    except (KeyError, TypeError, OverflowError, OSError, ValidationError, ValueError):
        raise _malformed() from None


def _malformed() -> InvalidStatement:
    return InvalidStatement("The statement is malformed.", fault="malformed")
