"""Archiving old months: into a file that is verified before they leave the database, with a signed record of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from countersign.adapters.keyring import KeyRing
from countersign.adapters.ring_file import sync_folder
from countersign.adapters.signatures import sign
from countersign.auditing.export_file import Writer
from countersign.auditing.verifying import Verifier
from countersign.domain.audit import GENESIS, Recorded
from countersign.domain.audit_chain import Piece
from countersign.domain.checkpoints import Checkpoint, Checkpoints, Signed
from countersign.domain.errors import Conflict
from countersign.storage.audit_partitions import OwnersTransaction, Partition, owners_transaction
from countersign.storage.audit_reading import snapshot

_MODE = 0o600


@dataclass(frozen=True)
class Archived:
    """What was archived."""

    partitions: list[str]
    events: int


def archive(url: str, *, keys: KeyRing, before: datetime, file: Path, drop: bool) -> Archived:
    """Write the events of whole months before a moment to a new file, and take them out of the database.

    Raises ``Conflict``, with nothing changed, when there is none or it is not over, the trail or the file does not
    verify, no checkpoint covers an event yet, or the file exists; and ``Unavailable``.
    """
    if before > datetime.now(UTC):
        raise Conflict(f"The months before {before:%Y-%m} are not all over.")
    if file.exists():
        raise Conflict(f"{file} exists; archives are never overwritten.")
    verifier = Verifier(keys)
    with snapshot(url) as trails:
        if verifier.verify_database(trails).findings:
            raise Conflict("The audit trail does not verify: see countersign audit verify. Nothing was archived.")
        checkpoints = verifier.checkpoints(trails)
    with _new_file(file) as temporary, owners_transaction(url) as owner:
        partitions = owner.partitions(before=before)
        events, pieces = _write(owner, partitions, checkpoints, temporary)
        if not pieces:
            raise Conflict(f"No whole month before {before:%Y-%m} has events.")
        if verifier.verify_files([temporary]).findings:
            raise Conflict("What was written does not verify; nothing was archived.")
        _record(owner, keys, pieces)
        for partition in partitions:
            owner.take_out(partition, drop=drop)
        temporary.rename(file)
        # Before the commit: a month must never be gone from both.
        sync_folder(file.parent)
    return Archived([partition.name for partition in partitions], events)


@contextmanager
def _new_file(file: Path) -> Iterator[Path]:
    temporary = file.with_name(f".{file.name}.partial")
    temporary.touch(mode=_MODE)
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _write(
    owner: OwnersTransaction, partitions: list[Partition], checkpoints: Checkpoints, path: Path
) -> tuple[int, list[Piece]]:
    """Write the partitions' events and what they follow; return how many, and the pieces of chains that they are."""
    pieces: list[Piece] = []
    written = 0
    with path.open("wb") as file:
        writer = Writer(file)
        for event in owner.events(partitions):
            _require_covered(event, checkpoints)
            last = pieces.pop() if pieces else None
            if last is not None and (last.account_id, last.last + 1) == (event.account_id, event.number):
                pieces.append(last._replace(last=event.number, mac=event.mac or GENESIS))
            else:
                pieces += [] if last is None else [last]
                pieces.append(_begin(owner, event, last, checkpoints, writer))
            writer.event(event)
            written += 1
        file.flush()
        os.fsync(file.fileno())
    return written, pieces


def _begin(
    owner: OwnersTransaction, event: Recorded, last: Piece | None, checkpoints: Checkpoints, writer: Writer
) -> Piece:
    """Return the piece that begins with the event; write that what lies before it is elsewhere."""
    before = _mac_before(owner, event, checkpoints)
    first_unwritten = last.last + 1 if last is not None and last.account_id == event.account_id else 1
    if event.number > first_unwritten:
        writer.elsewhere(Piece(event.account_id, first_unwritten, event.number - 1, None, before))
    return Piece(event.account_id, event.number, event.number, before, event.mac or GENESIS)


def _mac_before(owner: OwnersTransaction, event: Recorded, checkpoints: Checkpoints) -> bytes:
    if event.number == 1:
        return GENESIS
    earlier = [piece.mac for piece in checkpoints.archived[event.account_id] if piece.last == event.number - 1]
    found = owner.mac_of(event.account_id, event.number - 1) if not earlier else earlier[0]
    if found is None:
        raise Conflict(f"Event {event.number - 1} of account {event.account_id} is missing; nothing was archived.")
    return found


def _require_covered(event: Recorded, checkpoints: Checkpoints) -> None:
    if event.number > max(checkpoints.marks[event.account_id], default=0):
        raise Conflict(
            f"No checkpoint covers event {event.number} of account {event.account_id} yet; "
            "run countersign audit checkpoint first. Nothing was archived."
        )


def _record(owner: OwnersTransaction, keys: KeyRing, pieces: list[Piece]) -> None:
    newest = owner.newest_checkpoint()
    checkpoint = Checkpoint.after(newest, key_id=keys.current, at=datetime.now(UTC), archived=pieces)
    document = checkpoint.text()
    owner.insert_checkpoint(checkpoint.number, Signed(document, sign(keys, document.encode())))
