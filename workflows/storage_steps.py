"""Database steps as a workflow takes them: quick when all is well, patient when the database is away."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from activities.names import AWAIT_STORAGE, Call, Input, Output

_PATIENCE = timedelta(seconds=10)
_ONE_TRY = timedelta(seconds=5)
_LONGEST_PAUSE = 60


async def storage_step(call: Call[Input, Output], argument: Input, *, summary: str) -> Output:
    """Run a database step until it is done.

    A local activity has ten seconds in all; after that an ordinary activity waits, without end and without the
    step's argument, until the database answers. So codes enter the history in messages alone, and an outage costs
    a few events.
    """
    attempt = 0
    while True:
        try:
            done: Output = await workflow.execute_local_activity(
                call.name,
                argument,
                result_type=call.returns,
                schedule_to_close_timeout=_PATIENCE,
                start_to_close_timeout=_ONE_TRY,
                retry_policy=RetryPolicy(
                    initial_interval=timedelta(milliseconds=100), maximum_interval=timedelta(seconds=2)
                ),
                summary=summary,
            )
        except ActivityError:
            await _await_storage(attempt)
            attempt += 1
        else:
            return done


async def _await_storage(attempt: int) -> None:
    # The database may answer while the step still fails (a fault of ours): each round then waits longer.
    if attempt:
        await workflow.sleep(min(2**attempt, _LONGEST_PAUSE), summary="wait before trying again")
    await workflow.execute_activity(
        AWAIT_STORAGE,
        start_to_close_timeout=_ONE_TRY,
        retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10)),
        summary="wait for the database",
    )
