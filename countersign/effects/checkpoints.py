"""Writing checkpoints: signed documents over the heads of all audit chains that went on."""

from datetime import datetime, timedelta

from countersign.adapters.signatures import sign
from countersign.domain.checkpoints import Checkpoint, Signed
from countersign.effects.work import Desk
from countersign.storage import checkpoints

HEADS_AT_ONCE = 1000


async def write_due(desk: Desk, *, at: datetime, interval: timedelta) -> int:
    """Write checkpoints unless the newest is younger than ``interval``; return how many."""
    async with desk.database.connection() as connection:
        newest = await checkpoints.newest(connection)
    if newest is not None and at < Checkpoint.parse(newest.document).at + interval:
        return 0
    return await write_checkpoints(desk, at=at)


async def write_checkpoints(desk: Desk, *, at: datetime) -> int:
    """Write checkpoints over all heads that changed since the last, some heads in each; return how many."""
    written = 0
    while await _write_one(desk, at=at):
        written += 1
    return written


async def _write_one(desk: Desk, *, at: datetime) -> bool:
    async with desk.database.transaction() as connection:
        await checkpoints.lock(connection)
        heads = await checkpoints.changed_heads(connection, limit=HEADS_AT_ONCE)
        if not heads:
            return False
        newest = await checkpoints.newest(connection)
        checkpoint = Checkpoint.after(newest, key_id=desk.keys.current, at=at, heads=heads)
        document = checkpoint.text()
        signed = Signed(document, sign(desk.keys, document.encode()))
        await checkpoints.insert(connection, checkpoint.number, signed, heads=heads)
    return True
