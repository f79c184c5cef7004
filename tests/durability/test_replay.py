"""What ran before a change goes on after it: recorded histories replay with the workflows of today."""

import json
import re
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from countersign.adapters.message_guard import MessageGuard
from countersign.domain.requests import Journey
from countersign.wiring import workflow_runner
from workflows.journeys import JOURNEYS

_FOLDER = Path(__file__).parents[1] / "histories"
_RECORDED = sorted(_FOLDER.glob("*.json"))


def _replayer() -> Replayer:
    return Replayer(
        workflows=JOURNEYS,
        data_converter=pydantic_data_converter,
        workflow_runner=workflow_runner(),
        interceptors=[MessageGuard()],
    )


def _history(text: str) -> WorkflowHistory:
    return WorkflowHistory.from_json("recorded", text)


@pytest.mark.parametrize("file", _RECORDED, ids=lambda file: file.stem)
async def test_a_recorded_history_replays(file: Path) -> None:
    await _replayer().replay_workflow(_history(file.read_text()))


def test_every_journey_has_recorded_histories() -> None:
    texts = [file.read_text() for file in _RECORDED]
    starts = [json.loads(text)["events"][0]["workflowExecutionStartedEventAttributes"] for text in texts]
    types = {start["workflowType"]["name"] for start in starts}

    assert types == {str(journey) for journey in Journey}


@pytest.mark.parametrize(
    ("was", "would_be"),
    [
        ('"name": "send_code"', '"name": "send_sms"'),  # another activity
        ('"name": "create-api-key"', '"name": "edit-api-key"'),  # a step less
    ],
)
async def test_the_replay_notices_a_workflow_that_would_act_otherwise(was: str, would_be: str) -> None:
    text = (_FOLDER / "create_activated.json").read_text()
    assert was in text

    with pytest.raises(NondeterminismError):
        await _replayer().replay_workflow(_history(text.replace(was, would_be)))


def test_recorded_histories_tell_nothing_of_the_machine_or_of_people() -> None:
    for file in _RECORDED:
        text = file.read_text()
        identities = set(re.findall(r'"identity": "([^"]*)"', text))
        assert identities <= {"recorder", "history-service", "temporal-system"}, file.name
        assert not re.search(r"@example|\+4477|/(home|root|tmp|work)/", text), file.name
