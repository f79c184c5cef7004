"""Chains of audit events as plain values, under keys that are none."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from countersign.domain.audit import GENESIS, Place, Recorded, canonical
from countersign.domain.audit_chain import Fault, Mark, Piece, Trail

ACCOUNT = "00000000-0000-4000-8000-000000000001"
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
EVENT = Recorded(
    account_id=ACCOUNT,
    number=1,
    event="code:wrong",
    at=NOON,
    actor_kind="user",
    actor_id="00000000-0000-4000-8000-00000000000a",
    ip="203.0.113.7",
    request_id="00000000-0000-4000-8000-00000000000b",
    credential_id=None,
    details={"tries": 1},
    key_id="k1",
    mac=None,
)


def toy_mac(key_id: str, message: bytes) -> bytes | None:
    return hmac.digest(key_id.encode(), message, hashlib.sha256) if key_id in {"k1", "k2"} else None


def signed(event: Recorded, previous: bytes) -> Recorded:
    return event._replace(mac=toy_mac(event.key_id or "", previous + canonical(event)))


def chained(length: int, *, unchained: int = 0) -> list[Recorded]:
    """Return ``length`` events, under another key from the middle on, the first ones from before the chain."""
    events: list[Recorded] = []
    previous = GENESIS
    for number in range(1, length + 1):
        event = EVENT._replace(number=number, at=NOON + timedelta(seconds=number), details={"tries": number})
        if number <= unchained:
            events.append(event._replace(key_id=None, mac=None))
            continue
        events.append(signed(event._replace(key_id="k1" if number <= length // 2 else "k2"), previous))
        previous = events[-1].mac or GENESIS
    return events


def head_of(events: list[Recorded]) -> Place:
    return Place(events[-1].number, events[-1].mac or GENESIS)


def piece_of(events: list[Recorded], first: int, last: int, *, before: bytes | None) -> Piece:
    return Piece(ACCOUNT, first, last, before, events[last - 1].mac or GENESIS)


def followed(
    events: Iterable[Recorded],
    *,
    head: Place | None = None,
    marks: Mapping[int, Mark] | None = None,
    pieces: Iterable[Piece] = (),
) -> Trail:
    trail = Trail(ACCOUNT, mac=toy_mac, head=head, marks=marks, pieces=pieces)
    for event in events:
        trail.take(event)
    trail.end()
    return trail


def found(events: Iterable[Recorded], **known: Any) -> list[tuple[Fault, int]]:
    return [(each.fault, each.number) for each in followed(events, **known).findings]
