"""What keeps the audit trail in order: partitions for the months to come, checkpoints in the database and a file."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from countersign.adapters.checkpoint_file import CheckpointFile
from countersign.domain.checkpoints import Signed
from countersign.effects.checkpoints import write_checkpoints, write_due
from countersign.effects.work import Desk
from countersign.storage import checkpoints

_AT_ONCE = 20


@dataclass(frozen=True)
class AuditKeeper:
    """Several may be at work; without ``file``, checkpoints are in the database alone."""

    desk: Desk
    file: CheckpointFile | None
    interval: timedelta

    async def checkpoint(self) -> None:
        """Write checkpoints if it is time and there is something new; bring the file up to date."""
        await write_due(self.desk, at=datetime.now(UTC), interval=self.interval)
        await self.bring_file_up_to_date()

    async def checkpoint_now(self) -> int:
        """Write checkpoints if there is something new; return how many."""
        written = await write_checkpoints(self.desk, at=datetime.now(UTC))
        await self.bring_file_up_to_date()
        return written

    async def bring_file_up_to_date(self) -> None:
        """Append to the file what the database holds and it does not: after a crash, or from another worker."""
        if self.file is None:
            return
        last = await asyncio.to_thread(self.file.last_number)
        while missing := await self._after(last):
            last = await asyncio.to_thread(self.file.append, missing)

    async def make_partitions(self) -> None:
        """Make what partitions the months to come lack."""
        async with self.desk.database.connection() as connection:
            await checkpoints.make_partitions(connection)

    async def _after(self, number: int) -> list[Signed]:
        async with self.desk.database.connection() as connection:
            return await checkpoints.after(connection, number, limit=_AT_ONCE)
