"""The one timer of a workflow."""

import asyncio
from datetime import datetime

from temporalio import workflow


class Alarm:
    """Rings at or before the moment it is set for, and may then be set again.

    Every timer costs money and history, and most steps are over long before their deadlines, each of which is later
    than the one before: so a timer that runs is left alone when the deadline moves on.
    """

    def __init__(self) -> None:
        self._rings_at: datetime | None = None
        self._ringing: asyncio.Task[None] | None = None

    def is_set_for(self, moment: datetime | None) -> bool:
        """Tell whether it rings in time for the moment; it always does for none."""
        return moment is None or (self._rings_at is not None and self._rings_at <= moment)

    def set(self, moment: datetime | None, *, summary: str) -> None:
        """Ring at the moment or before it; the summary is for ops."""
        if moment is None or self.is_set_for(moment):
            return
        if self._ringing is not None:
            self._ringing.cancel()
        self._rings_at = moment
        self._ringing = asyncio.create_task(self._ring(moment, summary))

    async def _ring(self, moment: datetime, summary: str) -> None:
        await workflow.sleep(moment - workflow.now(), summary=summary)
        self._rings_at = self._ringing = None
