"""Database steps as a workflow takes them: quick when all is well, patient when the database is away."""

from datetime import timedelta

from temporalio import exceptions, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

from activities.names import AWAIT_STORAGE, Call, Input, Output

# Ten seconds in all. Not by a schedule-to-close timeout: one that ends in the pause between two tries leaves the
# local activity neither failed nor tried again, and its workflow stuck (temporalio 1.35).
_TRIES = 2
_ONE_TRY = timedelta(seconds=5)
_ROUNDS = 3
# The activity's NotFound: somebody started a workflow by hand for a request that is not there.
_NO_SUCH_REQUEST = "NotFound"


class StepFails(ApplicationError):
    """A database step fails although the database answers."""

    def __init__(self) -> None:
        super().__init__("This could not be carried out; ops are needed.", type="temporarily-unavailable")


async def storage_step(call: Call[Input, Output], argument: Input, *, summary: str) -> Output:
    """Run a database step until it is done.

    A local activity has two tries of five seconds; after that an ordinary activity waits, without end and without the
    step's argument, until the database answers. So codes enter the history in messages alone, and an outage costs
    a few events. Raises ``StepFails`` when the step fails although the database answers: that is a fault of ours,
    and what holds a lock must not wait for its mending.
    """
    for attempt in range(_ROUNDS):
        try:
            done: Output = await workflow.execute_local_activity(
                call.name,
                argument,
                result_type=call.returns,
                start_to_close_timeout=_ONE_TRY,
                retry_policy=RetryPolicy(
                    initial_interval=timedelta(milliseconds=100),
                    maximum_attempts=_TRIES,
                    non_retryable_error_types=[_NO_SUCH_REQUEST],
                ),
                summary=summary,
            )
        except (ActivityError, ApplicationError, exceptions.TimeoutError) as error:
            # The SDK never wraps failures of a local activity in ActivityError, and its timeouts only as they happen:
            # in a replay they come bare (temporalio 1.35), and missed here they would wedge the workflow.
            if isinstance(error, ApplicationError) and error.type == _NO_SUCH_REQUEST:
                raise ApplicationError("There is no such request.", type="not-found") from None
            await _await_storage(attempt)
        else:
            return done
    raise StepFails


async def _await_storage(attempt: int) -> None:
    # The database may answer while the step still fails (a fault of ours): each round then waits longer.
    if attempt:
        await workflow.sleep(2**attempt, summary="wait before trying again")
    await workflow.execute_activity(
        AWAIT_STORAGE,
        start_to_close_timeout=_ONE_TRY,
        retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10)),
        summary="wait for the database",
    )
