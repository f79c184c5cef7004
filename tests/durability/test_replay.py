"""What ran before a change goes on after it: recorded histories replay with the workflows of today."""

import ast
import inspect
import json
import re
import textwrap
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, WorkflowRunner
from temporalio.workflow import NondeterminismError
from temporalio.workflow import _Definition as Definition

from countersign.adapters.message_guard import MessageGuard
from countersign.domain.requests import EXPIRY_OUTCOME, WRONG_CODES_OUTCOME, Journey, Outcome, Step
from tests.durability.changed_workflows import Careless, Deprecated, Patched
from tests.support.recorded import FOLDER, RECORDED, SCRUBBED, End, end_of, events, secrets_in, turns, type_of
from tests.support.sandbox import sandboxed
from workflows.journeys import JOURNEYS, WORKFLOWS

_BETWEEN_TASKS = "EVENT_TYPE_WORKFLOW_TASK_SCHEDULED"
_BY_STEP: list[dict[Step, Outcome]] = [EXPIRY_OUTCOME, WRONG_CODES_OUTCOME, {Step.ACCOUNT_MANAGER: Outcome.REJECTED}]


_RUNNERS = [pytest.param(sandboxed(), id="in the sandbox"), pytest.param(UnsandboxedWorkflowRunner(), id="as deployed")]


def _replayer(*workflows: type, runner: WorkflowRunner | None = None) -> Replayer:
    return Replayer(
        workflows=workflows or WORKFLOWS,
        data_converter=pydantic_data_converter,
        workflow_runner=runner or sandboxed(),
        interceptors=[MessageGuard()],
    )


def _history(text: str) -> WorkflowHistory:
    return WorkflowHistory.from_json("recorded", text)


def _texts() -> list[str]:
    return [file.read_text() for file in RECORDED]


def _waits_of(workflow: type[Any]) -> list[Step]:
    """Return the steps that a journey's ``run`` waits at."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(workflow.run)))
    named = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return [Step(name) for name in named if name in set(Step)]


def _every_wait() -> Iterator[tuple[Journey, Step]]:
    for workflow in JOURNEYS:
        for step in _waits_of(workflow):
            yield Journey(_name(workflow)), step


def _name(workflow: type[Any]) -> str:
    definition = Definition.from_class(workflow)
    assert definition
    assert definition.name
    return definition.name


def _prefixes(text: str) -> Iterator[WorkflowHistory]:
    """Yield the history as it stood each time its workflow waited."""
    recorded = events(text)
    for number, event in enumerate(recorded):
        if event["eventType"] == _BETWEEN_TASKS and number > 1:
            yield _history(json.dumps({"events": recorded[:number]}))


async def _one_by_one(histories: Iterable[WorkflowHistory]) -> AsyncIterator[WorkflowHistory]:
    for history in histories:
        yield history


@pytest.mark.parametrize("runner", _RUNNERS)
@pytest.mark.parametrize("file", RECORDED, ids=lambda file: str(file.relative_to(FOLDER)))
async def test_a_recorded_history_replays(file: Path, runner: WorkflowRunner) -> None:
    await _replayer(runner=runner).replay_workflow(_history(file.read_text()))


async def test_an_open_workflow_replays_at_every_step_of_every_journey() -> None:
    first_waits: dict[tuple[Journey, Step], WorkflowHistory] = {}
    for text in _texts():
        for cut in _prefixes(text):
            told = turns(cut.to_json())
            if told and told[-1].outcome is None:
                first_waits.setdefault((told[-1].journey, told[-1].step), cut)

    await _replayer().replay_workflows(_one_by_one(first_waits.values()))

    assert set(first_waits) == set(_every_wait())


@pytest.mark.prove
@pytest.mark.parametrize("file", RECORDED, ids=lambda file: str(file.relative_to(FOLDER)))
async def test_a_recorded_history_replays_wherever_it_is_cut(file: Path) -> None:
    await _replayer().replay_workflows(_one_by_one(_prefixes(file.read_text())))


def test_every_step_of_every_journey_is_waited_at_in_a_recorded_history() -> None:
    recorded = {(turn.journey, turn.step) for text in _texts() for turn in turns(text)}

    assert sorted(set(_every_wait()) - recorded) == []


def test_every_way_that_time_and_wrong_codes_end_a_step_is_recorded() -> None:
    recorded = {end_of(text) for text in _texts()}
    wanted = {
        End(journey, step, by, outcomes[step])
        for journey, step in _every_wait()
        for by, outcomes in (("expire_step", EXPIRY_OUTCOME), ("apply_message", WRONG_CODES_OUTCOME))
        if step in outcomes
    }

    assert wanted - recorded == set()


@pytest.mark.parametrize("journey", Journey)
def test_every_outcome_that_a_journey_can_have_is_recorded(journey: Journey) -> None:
    ends = [end for text in _texts() if (end := end_of(text))]
    waits = [step for of, step in _every_wait() if of is journey]
    wanted = {Outcome.CANCELLED} | {table[step] for table in _BY_STEP for step in waits if step in table}
    wanted |= {Outcome.CHANGED} if journey.kind is None else {Outcome.ACTIVATED, Outcome.SUPERSEDED}

    assert wanted - {end.outcome for end in ends if end.journey is journey} == set()


def test_every_workflow_has_recorded_histories() -> None:
    assert {type_of(text) for text in _texts()} == {_name(workflow) for workflow in WORKFLOWS}


@pytest.mark.parametrize(
    ("was", "would_be"),
    [
        ('"name": "send_code"', '"name": "send_sms"'),  # another activity
        ('"name": "create-api-key"', '"name": "edit-api-key"'),  # a step less
    ],
)
async def test_the_replay_notices_a_workflow_that_would_act_otherwise(was: str, would_be: str) -> None:
    text = (FOLDER / "create_activated.json").read_text()
    assert was in text

    with pytest.raises(NondeterminismError):
        await _replayer().replay_workflow(_history(text.replace(was, would_be)))


@pytest.mark.parametrize("number", range(1, 6))
async def test_a_careless_change_is_noticed_at_whatever_step_a_workflow_is_open(number: int) -> None:
    cut = list(_prefixes((FOLDER / "create_activated.json").read_text()))[number]

    with pytest.raises(NondeterminismError):
        await _replayer(Careless).replay_workflow(cut)


async def test_the_same_change_behind_a_patch_lets_go_on_what_began_before() -> None:
    await _replayer(Patched).replay_workflows(
        _one_by_one(_history(file.read_text()) for file in FOLDER.glob("create_*.json"))
    )


async def test_a_patch_is_deprecated_too_early_while_a_history_from_before_it_must_replay() -> None:
    with pytest.raises(NondeterminismError):
        await _replayer(Deprecated).replay_workflow(_history((FOLDER / "create_activated.json").read_text()))


def test_recorded_histories_tell_nothing_of_the_machine_or_of_people() -> None:
    for file in RECORDED:
        text = file.read_text()
        identities = set(re.findall(r'"identity": "([^"]*)"', text))
        assert identities <= {"recorder", "history-service", "temporal-system"}, file.name
        assert not re.search(r"@example|\+4477|/(home|root|tmp|work)/", text), file.name


def test_recorded_histories_hold_no_code_token_or_statement() -> None:
    assert {secret for text in _texts() for secret in secrets_in(text)} == {SCRUBBED}
