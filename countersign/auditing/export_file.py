"""Files of audit events: JSON lines with all that verifying them needs, and never a key or a secret.

The first member of each line tells what it is: an ``event``; the ``head`` of an account's chain; a ``checkpoint``;
or events that lie ``elsewhere``: before the first of the file, or in archives.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from countersign.domain.audit import Place, Recorded
from countersign.domain.audit_chain import Piece
from countersign.domain.checkpoints import Signed
from countersign.domain.errors import InvalidInput

_EVENT = b'{"event":'


@dataclass
class Facts:
    """What a file holds beside events."""

    name: str
    heads: dict[str, Place] = field(default_factory=dict)
    checkpoints: list[Signed] = field(default_factory=list)
    elsewhere: list[Piece] = field(default_factory=list)


class Writer:
    """Writes lines to an open file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def event(self, event: Recorded) -> None:
        """Write an event."""
        at = None if event.at is None else event.at.isoformat()
        self._line("event", {**event._asdict(), "at": at, "mac": _hex(event.mac)})

    def head(self, account_id: str, head: Place) -> None:
        """Write where an account's chain ends."""
        self._line("head", [account_id, head.number, head.mac.hex()])

    def checkpoint(self, signed: Signed) -> None:
        """Write a checkpoint."""
        self._line("checkpoint", [signed.document, signed.signature.hex()])

    def elsewhere(self, piece: Piece) -> None:
        """Write that events lie elsewhere."""
        self._line("elsewhere", [piece.account_id, piece.first, piece.last, _hex(piece.before), piece.mac.hex()])

    def _line(self, kind: str, value: Any) -> None:
        text = json.dumps({kind: value}, separators=(",", ":"), ensure_ascii=False)
        self._file.write(text.encode() + b"\n")


class ExportFile:
    """Reads such a file; raises ``InvalidInput`` for one that is none, naming the line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def facts(self) -> Facts:
        """Return what stands beside the events."""
        facts = Facts(name=self._path.name)
        for number, line in self._lines():
            if not line.startswith(_EVENT):
                self._understand(number, line, facts)
        return facts

    def events(self, account_id: str | None = None) -> Iterator[Recorded]:
        """Yield the events, of all accounts or one."""
        for number, line in self._lines():
            if line.startswith(_EVENT):
                event = self._event(number, line)
                if account_id in {None, event.account_id}:
                    yield event

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        try:
            with self._path.open("rb") as file:
                yield from enumerate(file, start=1)
        except OSError as error:
            raise InvalidInput(f"{self._path} cannot be read: {error.strerror}.") from None

    def _understand(self, number: int, line: bytes, facts: Facts) -> None:
        try:
            [(kind, value)] = json.loads(line).items()
            _UNDERSTOOD[kind](facts, *value)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise self._unreadable(number) from None

    def _event(self, number: int, line: bytes) -> Recorded:
        try:
            members = json.loads(line)["event"]
            at = members["at"] and datetime.fromisoformat(members["at"])
            return Recorded(**{**members, "at": at, "mac": _bytes(members["mac"])})
        except (ValueError, TypeError, KeyError, RecursionError):
            raise self._unreadable(number) from None

    def _unreadable(self, number: int) -> InvalidInput:
        return InvalidInput(f"Line {number} of {self._path} is not that of an export or archive of audit events.")


def _head(facts: Facts, account_id: str, number: int, mac: str) -> None:
    facts.heads[account_id] = Place(number, bytes.fromhex(mac))


def _checkpoint(facts: Facts, document: str, signature: str) -> None:
    facts.checkpoints.append(Signed(document, bytes.fromhex(signature)))


def _elsewhere(facts: Facts, *members: Any) -> None:
    account_id, first, last, before, mac = members
    facts.elsewhere.append(Piece(account_id, first, last, _bytes(before), bytes.fromhex(mac)))


_UNDERSTOOD: dict[str, Callable[..., None]] = {"head": _head, "checkpoint": _checkpoint, "elsewhere": _elsewhere}


def _hex(mac: bytes | None) -> str | None:
    return None if mac is None else mac.hex()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)
