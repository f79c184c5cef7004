"""Going on from any step: a worker without a cache replays the whole history before each task, and then goes on."""

from functools import partial
from unittest.mock import patch

import pytest
from temporalio.worker import Worker

from tests.histories import tales
from tests.histories.tales import Tale
from tests.support.stage import Stage, ended

_TO_THE_END: dict[Tale, str] = {
    tales.create_activated: "activated",
    tales.fix_activated: "activated",
    tales.edit_activated: "activated",
    tales.api_key_activated: "activated",
    tales.fix_activation_rejected: "rejected",
    tales.two_factor_turned_on: "changed",
}
_SHORT = [tales.create_activated, tales.fix_activation_rejected, tales.two_factor_turned_on]


@pytest.mark.parametrize(
    "tale", [*_SHORT, *(pytest.param(tale, marks=pytest.mark.prove) for tale in _TO_THE_END if tale not in _SHORT)]
)
async def test_a_journey_goes_on_from_each_of_its_steps_by_replay_alone(stage: Stage, tale: Tale) -> None:
    with patch("countersign.wiring.Worker", partial(Worker, max_cached_workflows=0)):
        async with stage.at_work(chores=False):
            flow = await tale(stage.cast)

            assert await ended(flow) == _TO_THE_END[tale]
