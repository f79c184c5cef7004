"""Housekeeping, as an activity."""

import logging
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

from temporalio import activity

from activities.names import HOUSEKEEPING
from countersign.domain.housekeeping import Swept, counted
from countersign.effects.housekeeping import archivable_before, sweep
from countersign.effects.work import Desk

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class HousekeepingActivities:
    """Removes what the desk's rules keep no longer."""

    desk: Desk

    @activity.defn(name=HOUSEKEEPING)
    async def keep_house(self) -> Swept:
        """Remove what is over and old; return how much, by table.

        Each batch is told in the heartbeat, so that an attempt after a kill goes on counting where the last one was.
        """
        at = datetime.now(UTC)
        removed = Counter[str](*activity.info().heartbeat_details)
        async for batch in sweep(self.desk, at=at):
            removed.update(batch)
            activity.heartbeat(dict(removed))
        _LOG.info("Housekeeping removed %s", counted(removed))
        return Swept(removed=dict(removed), archivable_before=await archivable_before(self.desk, at=at))
