"""Removing what is over and old: started by a schedule, seen by ops beside the journeys."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from activities.names import HOUSEKEEPING
from countersign.domain.housekeeping import Swept

_LONGEST = timedelta(hours=12)
# Longer than the database lets a batch take.
_HEARTBEAT = timedelta(seconds=15)


@workflow.defn(name=HOUSEKEEPING)
class Housekeeping:
    """One round."""

    @workflow.run
    async def run(self) -> Swept:
        """Return how many rows were removed, by table, and which months of the audit trail may be archived."""
        swept: Swept = await workflow.execute_activity(
            HOUSEKEEPING,
            result_type=Swept,
            start_to_close_timeout=_LONGEST,
            heartbeat_timeout=_HEARTBEAT,
            retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=5)),
            summary="remove what is over and old",
        )
        workflow.set_current_details(swept.told())
        return swept
