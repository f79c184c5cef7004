"""What a gateway asks about a call that came to it, and what it is answered.

A gateway passes on what its client sent, as it was sent. Of a denial it learns nothing but that it is one; the reason
is for the credential's owner alone.
"""

from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainValidator

from countersign.domain.credentials import SessionType
from countersign.domain.permissions import Permission
from countersign.domain.trading_limits import TradingLimit

MOST_CALLS = 100


@lru_cache(maxsize=10_000)
def _parsed(text: str) -> IPv4Address | IPv6Address:
    return ip_address(text)


def _address(value: Any) -> IPv4Address | IPv6Address:
    if isinstance(value, IPv4Address | IPv6Address):
        return value
    try:
        return _parsed(str(value))
    except ValueError:
        # Its own message quotes what was sent.
        raise ValueError("Not an IPv4 or IPv6 address") from None


# Clients come from few addresses, and to read one takes longer than to verify a signature.
Ip = Annotated[IPv4Address | IPv6Address, PlainValidator(_address)]


class Outcome(StrEnum):
    """What came of a call."""

    ALLOWED = "allowed"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    CLOCK = "clock"
    REPLAYED = "replayed"
    IP_NOT_ALLOWED = "ip_not_allowed"
    PERMISSION = "permission"
    INACTIVE = "inactive"
    WRONG_SESSION_TYPE = "wrong_session_type"
    TOO_MANY_FAILURES = "too_many_failures"


class _Call(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, val_json_bytes="base64", ser_json_bytes="base64"
    )

    ip: Ip = Field(description="Where the client is.")


class RestCall(_Call, frozen=True):
    """A REST call: headers X-AGGR-KEY, X-AGGR-TIMESTAMP and X-AGGR-SIGNATURE, and what was signed."""

    kind: Literal["rest"] = "rest"
    key: str
    timestamp: str = Field(description="Unix seconds, as sent.")
    signature: str = Field(repr=False)
    action: str = Field(description="What the signature begins with: the name of the called method.")
    body: bytes = Field(default=b"", repr=False, description="The raw body; in JSON as base64.")
    permission: Permission
    changes_state: bool = Field(description="Such a call is let through once with one signature, others as they come.")


class WebSocketCall(_Call, frozen=True):
    """The message that authenticates a WebSocket connection."""

    kind: Literal["websocket"] = "websocket"
    key: str
    timestamp: str = Field(description="Unix seconds as the text that was sent: an integer, a fraction, a string.")
    signature: str = Field(repr=False)


class FixCall(_Call, frozen=True):
    """A FIX 4.4 Logon: SenderCompID (49), Username (553), Password (554), and what kind of session it came to."""

    kind: Literal["fix"] = "fix"
    sender_comp_id: str
    username: str
    password: str = Field(repr=False)
    session_type: SessionType


class SessionCall(_Call, frozen=True):
    """Is a session that was let in before still its owner's: the credential active, and of the version it had."""

    kind: Literal["session"] = "session"
    credential_id: UUID
    version: int


Call = RestCall | WebSocketCall | FixCall | SessionCall


class Allowed(BaseModel, frozen=True):
    """The call is its owner's, and may be carried out."""

    allowed: Literal[True] = True
    credential_id: UUID
    account_id: UUID
    permissions: tuple[Permission, ...] = Field(description="Those in effect; funds permissions may be held back.")
    session_type: SessionType | None
    trading_limits: tuple[TradingLimit, ...] = Field(default=(), description="For the gateway to keep.")
    version: int


class Denied(BaseModel, frozen=True):
    """The call must not be carried out; nobody but the owner is told why."""

    allowed: Literal[False] = False


Decision = Annotated[Allowed | Denied, Field(discriminator="allowed")]


class Question(BaseModel):
    """The body of ``POST /v1/verifications``."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    calls: list[Annotated[Call, Field(discriminator="kind")]] = Field(min_length=1, max_length=MOST_CALLS)


class Answer(BaseModel, frozen=True):
    """The answers, in the order of the calls."""

    answers: tuple[Decision, ...]


class Alive(BaseModel, frozen=True):
    """Nothing happened; said each second."""

    kind: Literal["alive"] = "alive"


class Revoked(BaseModel, frozen=True):
    """What was let in with the credential is not to go on; ``version`` is the one that it has now."""

    kind: Literal["revoked"] = "revoked"
    credential_id: UUID
    version: int


class Lost(BaseModel, frozen=True):
    """Revocations may have been missed: sessions are to be verified anew."""

    kind: Literal["lost"] = "lost"


Told = Annotated[Alive | Revoked | Lost, Field(discriminator="kind")]
