"""A workflow and an activity that fail, and say what nobody should read."""

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

HUSH = "hush-493817 for olivia@example.com"


@activity.defn
async def fail(told: str) -> None:
    cause = ValueError(f"{HUSH} {told}")
    raise RuntimeError(HUSH) from cause


@workflow.defn
class Failing:
    """Its activity fails for good, then its own code does, again and again."""

    @workflow.run
    async def run(self, told: str) -> None:
        twice = RetryPolicy(maximum_attempts=2, initial_interval=timedelta(milliseconds=10))
        try:
            await workflow.execute_activity(fail, told, start_to_close_timeout=timedelta(seconds=5), retry_policy=twice)
        except ActivityError:
            workflow.logger.exception("An activity failed")
        raise RuntimeError(f"{HUSH} {told}")
