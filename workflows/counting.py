"""What journeys count, through the SDK's meter: it counts nothing while a history is replayed."""

from datetime import timedelta

from temporalio import workflow

from countersign.domain.messages import RequestState
from countersign.domain.requests import Journey


def count_begun(journey: Journey) -> None:
    """Count a request whose workflow begins; one that continues as new has begun before."""
    if workflow.info().continued_run_id is None:
        counter = workflow.metric_meter().create_counter("countersign_requests_started", "Requests that have begun.")
        counter.add(1, {"journey": str(journey)})


def count_step(state: RequestState, took: timedelta) -> None:
    """Measure the step that is over, from when the workflow saw it begin."""
    histogram = workflow.metric_meter().create_histogram_timedelta(
        "countersign_step_duration", "How long requests stay at a step.", "duration"
    )
    histogram.record(took, {"journey": str(state.journey), "step": str(state.step)})


def count_ended(state: RequestState) -> None:
    """Count a request that has ended, by its outcome."""
    counter = workflow.metric_meter().create_counter("countersign_requests_ended", "Requests that have ended.")
    counter.add(1, {"journey": str(state.journey), "outcome": str(state.outcome)})
