"""Following an account's chain of audit events, and naming what is wrong with it."""

import hmac
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from countersign.domain.audit import GENESIS, NotCanonical, Place, Recorded, canonical

# The HMAC of a message under the key of an id, or None where there is no such key.
Mac = Callable[[str, bytes], bytes | None]

# However many events do not fit, so many are held at once to be told apart, and of so many findings an account is told.
SUSPECTS_AT_ONCE = 100
MOST_FINDINGS = 100


# What follows an event without a MAC in the midst of a chain: nothing.
_NO_MAC = b""
_MOST_MACS = 3


class Fault(StrEnum):
    """What is wrong; the words that the command says."""

    CHANGED = "changed"
    DELETED = "deleted"
    INSERTED = "inserted"
    DUPLICATED = "duplicated"
    REORDERED = "reordered"
    TRUNCATED = "truncated"
    UNKNOWN_KEY = "unknown key"
    HEAD_ALTERED = "head altered"
    UNEXPLAINED = "unexplained"
    CHECKPOINT_FORGED = "checkpoint forged"
    CHECKPOINT_MISSING = "checkpoint missing"
    CHECKPOINT_REORDERED = "checkpoint reordered"


class Finding(NamedTuple):
    """Something that is wrong at a number: of an account's event, or of a checkpoint where ``account_id`` is None."""

    fault: Fault
    account_id: str | None
    number: int
    detail: str


class Piece(NamedTuple):
    """Events of an account that are kept elsewhere: the MAC they follow (None if not told), and that of the last."""

    account_id: str
    first: int
    last: int
    before: bytes | None
    mac: bytes


class Mark(NamedTuple):
    """What a checkpoint says of an event."""

    checkpoint: int
    mac: bytes


class Trail:
    """Follows one account's events, which are taken in the order of their numbers.

    ``head`` is where the account says that they end, None if that is not known; ``marks`` are what checkpoints hold, by
    number; ``pieces`` what is kept elsewhere.
    """

    def __init__(
        self,
        account_id: str,
        *,
        mac: Mac,
        head: Place | None = None,
        marks: Mapping[int, Mark] | None = None,
        pieces: Iterable[Piece] = (),
    ) -> None:
        self.account_id = account_id
        self.findings: list[Finding] = []
        self.elsewhere = 0
        self.unchained = 0
        self._mac = mac
        self._head = head
        self._marks = dict(marks or {})
        self._pieces = {piece.first: piece for piece in pieces}
        # The last event as it was read, the number up to which all is told, and the MACs that the next may follow.
        self._read = Place(0, GENESIS)
        self.number = 0
        self._macs: tuple[bytes, ...] = (GENESIS,)
        self._suspects: list[Recorded] = []

    def take(self, event: Recorded) -> None:
        """Take the next event; once there are too many findings, no more are looked for."""
        if self._is_beyond_telling:
            return
        self._compare_with_mark(event)
        fits = event.number == self._read.number + 1 and self._is_event(event, event.number, self._read.mac)
        self._read = Place(event.number, event.mac or (GENESIS if fits else _NO_MAC))
        if not fits:
            self._suspects.append(event)
        if self._suspects and (fits or len(self._suspects) == SUSPECTS_AT_ONCE):
            self._explain()
        if fits:
            self._advance(event, event.number)

    def end(self) -> None:
        """Say that there are no more events."""
        if self._is_beyond_telling:
            return
        self._explain()
        while self._bridge():
            pass
        if self._head is None:
            return
        self._compare_with_head(self._head)
        for number, mark in sorted(self._marks.items()):
            if number > self.number:
                self._find(Fault.TRUNCATED, number, f"checkpoint {mark.checkpoint} holds this event, and it is gone")

    @property
    def _is_beyond_telling(self) -> bool:
        return len(self.findings) >= MOST_FINDINGS

    def _compare_with_mark(self, event: Recorded) -> None:
        mark = self._marks.pop(event.number, None)
        if mark is not None and mark.mac != (event.mac or GENESIS):
            self._find(Fault.CHANGED, event.number, f"is not the event that checkpoint {mark.checkpoint} holds")

    def _compare_with_head(self, head: Place) -> None:
        if head.number > self.number:
            self._find(Fault.TRUNCATED, self.number + 1, f"the account's head says that events go on to {head.number}")
        elif head.number < self.number or head.mac not in self._macs:
            self._find(Fault.HEAD_ALTERED, self.number, f"the account's head does not say event {self.number}")

    def _explain(self) -> None:
        """Tell suspects apart: whichever is the genuine next event comes first, wherever it stands."""
        left, self._suspects = self._suspects, []
        seen = set(self._macs)
        while left:
            if (following := self._genuine_next(left)) is not None:
                left.remove(following)
                if following.number != self.number + 1:
                    self._find(Fault.REORDERED, following.number, f"stands here and is event {self.number + 1}")
                self._advance(following, self.number + 1)
            elif not self._bridge():
                self._accuse(left.pop(0), seen)
            seen.update(self._macs)

    def _genuine_next(self, events: list[Recorded]) -> Recorded | None:
        number = self.number + 1
        return next((each for each in events if any(self._is_event(each, number, mac) for mac in self._macs)), None)

    def _advance(self, genuine: Recorded, number: int) -> None:
        self.number, self._macs = number, (genuine.mac or GENESIS,)
        self.unchained += genuine.mac is None

    def _bridge(self) -> bool:
        """Pass over what is kept elsewhere, if it follows."""
        piece = self._pieces.pop(self.number + 1, None)
        if piece is None or not (piece.before is None or piece.before in self._macs):
            return False
        self.elsewhere += piece.last - self.number
        self.number, self._macs = piece.last, (piece.mac,)
        return True

    def _accuse(self, event: Recorded, seen: set[bytes]) -> None:
        if event.number <= self.number:
            twice = event.mac in seen
            self._find(Fault.DUPLICATED if twice else Fault.INSERTED, event.number, "another event has this number")
            return
        if event.number > self.number + 1:
            self._find(Fault.DELETED, self.number + 1, f"events {self.number + 1} to {event.number - 1} are missing")
            self._macs = (event.mac or (GENESIS if GENESIS in self._macs else _NO_MAC),)
        else:
            self._macs = self._accuse_in_place(event)
        self.number = event.number

    def _accuse_in_place(self, event: Recorded) -> tuple[bytes, ...]:
        """Name what is wrong with an event in its place; return the MACs that the one after it may follow."""
        if event.key_id is not None and self._mac(event.key_id, b"") is None:
            self._find(Fault.UNKNOWN_KEY, event.number, f"its key {event.key_id} is not in the key ring")
        elif self._head is not None and event.number > self._head.number:
            self._find(Fault.INSERTED, event.number, "is not genuine, and after the account's head")
        else:
            self._find(Fault.CHANGED, event.number, "does not fit its MAC and the event before it")
        # Either the event was changed and its MAC was not, or the MAC alone.
        genuine = (self._link(event, event.number, mac) for mac in self._macs)
        return (event.mac or _NO_MAC, *(mac for mac in genuine if mac is not None))[:_MOST_MACS]

    def _is_event(self, event: Recorded, number: int, previous: bytes) -> bool:
        if event.mac is None:
            # Before its beginning no MAC vouches for anything but the events' numbers.
            return previous == GENESIS and event.number == number
        link = self._link(event, number, previous)
        return link is not None and hmac.compare_digest(link, event.mac)

    def _link(self, event: Recorded, number: int, previous: bytes) -> bytes | None:
        """Return the MAC that the event would have as ``number`` after ``previous``."""
        if event.key_id is None:
            return None
        placed = event if event.number == number else event._replace(number=number)
        try:
            return self._mac(event.key_id, previous + canonical(placed))
        except NotCanonical:
            return None

    def _find(self, fault: Fault, number: int, detail: str) -> None:
        self.findings.append(Finding(fault, self.account_id, number, detail))
