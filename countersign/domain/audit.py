"""Audit events: their kinds, in one place, and the one form of each that its MAC covers."""

import json
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, NamedTuple

# What the first event of a chain follows.
GENESIS = bytes(32)

_FORM = "countersign/audit-event/1"
_LARGEST_INTEGER = 2**53 - 1
_encode = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False
).encode


class AuditTag(StrEnum):
    """What happened; stored as text and never renamed."""

    REQUEST_OPENED = "request:opened"
    REQUEST_ENDED = "request:ended"
    TWO_FACTOR_PASSED = "two-factor:passed"
    NEW_FACTOR_PASSED = "two-factor:new-factor-passed"
    SEED_SHOWN = "two-factor:seed-shown"
    RECOVERY_CODE_USED = "two-factor:recovery-code-used"
    RECOVERY_CODES_SHOWN = "two-factor:recovery-codes-shown"
    CODE_WRONG = "code:wrong"
    CODE_REQUESTED = "code:requested"
    CREDENTIAL_CREATED = "credential:created"
    CREDENTIAL_EDITED = "credential:edited"
    CREDENTIAL_STATUS = "credential:status"
    CREDENTIAL_STOPPED = "credential:stopped"
    FUNDS_HELD = "credential:funds-held"
    SECRET_SHOWN = "secret:shown"  # noqa: S105 - the name of an event
    SECRET_SAVED = "secret:saved"  # noqa: S105 - the name of an event
    ACTIVATION_CHOSEN = "activation:chosen"
    MANAGER_ASKED = "account-manager:asked"
    MANAGER_REMINDED = "account-manager:reminded"
    MANAGER_DECIDED = "account-manager:decided"
    MANAGER_ASSIGNED = "account-manager:assigned"
    MANAGER_WITHDRAWN = "account-manager:withdrawn"
    DECISION_REFUSED = "account-manager:decision-refused"
    ISSUING_FROZEN = "account:issuing-frozen"
    ISSUING_THAWED = "account:issuing-thawed"
    STOPPED_BY_OPS = "ops:stopped"
    USER_CHANGED = "user:changed"
    USER_CHANGE_STOPPED = "user:change-stopped"
    SESSION_BEGUN = "session:begun"
    SESSION_ENDED = "session:ended"
    OTHER_SESSIONS_ENDED = "session:others-ended"


class NotCanonical(ValueError):
    """The audit event holds what has no single form: a float, say, or a moment without a time zone."""


class Place(NamedTuple):
    """A place in an account's chain: the number of an event, and its MAC."""

    number: int
    mac: bytes


class Recorded(NamedTuple):
    """An audit event with its place in the account's chain; ids as text, and ``mac`` None before the chain began."""

    account_id: str
    number: int
    event: str
    at: datetime | None
    actor_kind: str
    actor_id: str | None
    ip: str | None
    request_id: str | None
    credential_id: str | None
    details: Any
    key_id: str | None
    mac: bytes | None


def canonical(event: Recorded) -> bytes:
    """Return the one form of the event, as the JSON of RFC 8785; raises ``NotCanonical``.

    It holds neither the event's MAC nor the one before it. Moments are in UTC to the microsecond, addresses their bytes
    in hexadecimal: how either is written differs between programs.
    """
    try:
        _require_plain(event.details)
        form = [
            _FORM,
            event.account_id,
            event.number,
            event.event,
            _moment(event.at),
            event.actor_kind,
            event.actor_id,
            None if event.ip is None else _packed(event.ip),
            event.request_id,
            event.credential_id,
            event.key_id,
            event.details,
        ]
        return _encode(form).encode()
    except (ValueError, RecursionError) as error:
        raise NotCanonical(type(error).__name__) from None


def _moment(at: datetime | None) -> str:
    if at is None or at.utcoffset() is None:
        raise NotCanonical
    return at.astimezone(UTC).isoformat(timespec="microseconds")


@lru_cache(maxsize=4096)
def _packed(address: str) -> str:
    return ip_address(address).packed.hex()


def _require_plain(value: Any) -> None:
    if value is None or isinstance(value, str):
        return
    if isinstance(value, dict):
        for name, each in value.items():
            # RFC 8785 sorts names as UTF-16, Python as code points: in ASCII both are the same.
            if not (isinstance(name, str) and name.isascii()):
                raise NotCanonical
            _require_plain(each)
    elif isinstance(value, list | tuple):
        for each in value:
            _require_plain(each)
    elif not isinstance(value, int) or abs(value) > _LARGEST_INTEGER:
        raise NotCanonical
