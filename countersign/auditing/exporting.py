"""Exporting audit trails to a file that can be verified by itself."""

from typing import BinaryIO
from uuid import UUID

from countersign.auditing.export_file import Writer
from countersign.domain.audit_chain import Piece
from countersign.storage.audit_reading import Snapshot


def export(snapshot: Snapshot, file: BinaryIO, *, account_id: UUID | None = None, since: int = 1) -> int:
    """Write the events from number ``since`` on, of one account or all; return how many."""
    writer = Writer(file)
    for _, signed in snapshot.checkpoints():
        writer.checkpoint(signed)
    for account, head in snapshot.heads(account_id).items():
        writer.head(account, head)
    for account, mac in snapshot.places(since - 1, account_id).items():
        writer.elsewhere(Piece(account, 1, since - 1, None, mac))
    written = 0
    for event in snapshot.events(account_id, since=since):
        writer.event(event)
        written += 1
    return written
