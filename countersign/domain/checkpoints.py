"""Checkpoints: numbered documents over the heads of audit chains, each naming the one before it, and signed."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

from countersign.domain.audit_chain import Fault, Finding, Mark, Piece

_FORM = "countersign/audit-checkpoint/1"
NO_DIGEST = ""
_ANY_DIGEST = "?"

# Whether a signature is one of the key of an id over a message.
IsSigned = Callable[[str, bytes, bytes], bool]


class Head(NamedTuple):
    """Where an account's chain ended."""

    account_id: str
    number: int
    mac: bytes


class Signed(NamedTuple):
    """The text of a checkpoint and its signature."""

    document: str
    signature: bytes

    @property
    def digest(self) -> str:
        """The SHA-256 of the text, in hexadecimal: what the next checkpoint names."""
        return hashlib.sha256(self.document.encode()).hexdigest()


@dataclass(frozen=True)
class Checkpoint:
    """What is signed: where chains ended at a moment, and which of their events lie in archives from now on."""

    number: int
    previous: str
    key_id: str
    at: datetime
    heads: Sequence[Head] = ()
    archived: Sequence[Piece] = ()

    @classmethod
    def after(
        cls,
        newest: Signed | None,
        *,
        key_id: str,
        at: datetime,
        heads: Sequence[Head] = (),
        archived: Sequence[Piece] = (),
    ) -> Self:
        """Return the checkpoint that comes after ``newest``."""
        number = cls.parse(newest.document).number + 1 if newest else 1
        previous = newest.digest if newest else NO_DIGEST
        return cls(number=number, previous=previous, key_id=key_id, at=at, heads=heads, archived=archived)

    def text(self) -> str:
        """Return the text that is signed: JSON as in RFC 8785."""
        document = {
            "form": _FORM,
            "number": self.number,
            "previous": self.previous,
            "key_id": self.key_id,
            "at": self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "heads": [[head.account_id, head.number, head.mac.hex()] for head in self.heads],
            "archived": [
                [piece.account_id, piece.first, piece.last, (piece.before or b"").hex(), piece.mac.hex()]
                for piece in self.archived
            ],
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the checkpoint of the text; raises ``ValueError``."""
        try:
            return cls._of(json.loads(text))
        except (KeyError, TypeError, RecursionError):
            raise ValueError("This is no checkpoint.") from None

    @classmethod
    def _of(cls, document: dict[str, Any]) -> Self:
        if document["form"] != _FORM:
            raise ValueError("This is no checkpoint.")
        return cls(
            number=int(document["number"]),
            previous=document["previous"],
            key_id=document["key_id"],
            at=datetime.fromisoformat(document["at"]),
            heads=[Head(account, number, bytes.fromhex(mac)) for account, number, mac in document["heads"]],
            archived=[
                Piece(account, first, last, bytes.fromhex(before), bytes.fromhex(mac))
                for account, first, last, before, mac in document["archived"]
            ],
        )


@dataclass
class Checkpoints:
    """Checks checkpoints of one place or several; gathers what genuine ones say, and when the first was made."""

    is_signed: IsSigned
    findings: list[Finding] = field(default_factory=list)
    marks: dict[str, dict[int, Mark]] = field(default_factory=lambda: defaultdict(dict))
    archived: dict[str, list[Piece]] = field(default_factory=lambda: defaultdict(list))
    newest: Checkpoint | None = None
    began: datetime | None = None
    _digests: dict[int, str] = field(default_factory=dict)

    def take(self, source: Sequence[tuple[int | None, Signed]], *, place: str, whole: bool) -> None:
        """Check the checkpoints of a place, in their order there, each with the number it is kept under if it has one.

        ``whole``: they begin with number 1 and lack none that another place holds, which must have been taken before.
        """
        last: tuple[int, str] | None = (0, NO_DIGEST) if whole else None
        for kept_as, signed in source:
            checkpoint = self._genuine(kept_as, signed, place)
            if checkpoint is not None:
                self._check_order(checkpoint, last, place)
                self._gather(checkpoint, signed, place)
                last = (checkpoint.number, signed.digest)
            elif last is not None:
                last = (last[0] + 1, _ANY_DIGEST)
        if whole and last is not None and self.newest is not None and last[0] < self.newest.number:
            missing = f"{last[0] + 1} to {self.newest.number}"
            self._find(Fault.CHECKPOINT_MISSING, last[0] + 1, f"numbers {missing} are missing in {place}")

    def keep_only(self, account_id: str) -> None:
        """Forget what the checkpoints say of other accounts."""
        for gathered in (self.marks, self.archived):
            for account in set(gathered) - {account_id}:
                del gathered[account]

    def _genuine(self, kept_as: int | None, signed: Signed, place: str) -> Checkpoint | None:
        try:
            checkpoint = Checkpoint.parse(signed.document)
        except ValueError:
            self._find(Fault.CHECKPOINT_FORGED, kept_as or 0, f"cannot be read in {place}")
            return None
        if not self.is_signed(checkpoint.key_id, signed.document.encode(), signed.signature):
            self._find(Fault.CHECKPOINT_FORGED, kept_as or checkpoint.number, f"has no genuine signature in {place}")
            return None
        if kept_as is not None and kept_as != checkpoint.number:
            self._find(Fault.CHECKPOINT_REORDERED, kept_as, f"is number {checkpoint.number} in truth, in {place}")
        return checkpoint

    def _check_order(self, checkpoint: Checkpoint, last: tuple[int, str] | None, place: str) -> None:
        if last is None:
            return
        number, digest = last
        if checkpoint.number > number + 1:
            missing = f"{number + 1} to {checkpoint.number - 1}"
            self._find(Fault.CHECKPOINT_MISSING, number + 1, f"numbers {missing} are missing in {place}")
        elif checkpoint.number <= number:
            self._find(Fault.CHECKPOINT_REORDERED, checkpoint.number, f"comes after number {number} in {place}")
        elif digest not in {_ANY_DIGEST, checkpoint.previous}:
            self._find(Fault.CHECKPOINT_FORGED, checkpoint.number, f"does not follow number {number} in {place}")

    def _gather(self, checkpoint: Checkpoint, signed: Signed, place: str) -> None:
        known = self._digests.setdefault(checkpoint.number, signed.digest)
        if known != signed.digest:
            self._find(Fault.CHECKPOINT_FORGED, checkpoint.number, f"is another one in {place}")
            return
        for head in checkpoint.heads:
            # The first word stands: who altered an event may have had it signed once more.
            self.marks[head.account_id].setdefault(head.number, Mark(checkpoint.number, head.mac))
        for piece in checkpoint.archived:
            if piece not in self.archived[piece.account_id]:
                self.archived[piece.account_id].append(piece)
        if self.newest is None or checkpoint.number > self.newest.number:
            self.newest = checkpoint
        self.began = min(self.began or checkpoint.at, checkpoint.at)

    def _find(self, fault: Fault, number: int, detail: str) -> None:
        self.findings.append(Finding(fault, None, number, detail))
