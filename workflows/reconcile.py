"""Comparing all requests with their workflows: started by a schedule, seen by ops beside the journeys."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from activities.names import RECONCILE
from workflows.versions import IS_SHORT

_LONGEST = timedelta(minutes=10)


@workflow.defn(name=RECONCILE, versioning_behavior=IS_SHORT)
class Reconcile:
    """One comparison."""

    @workflow.run
    async def run(self) -> dict[str, int]:
        """Return how many requests and workflows differed, by how."""
        found: dict[str, int] = await workflow.execute_activity(
            RECONCILE,
            result_type=dict[str, int],
            start_to_close_timeout=_LONGEST,
            retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=1)),
            summary="compare requests and workflows",
        )
        counted = ", ".join(f"{count} {kind}" for kind, count in sorted(found.items()))
        workflow.set_current_details(f"Differed: {counted or 'nothing'}.")
        return found
