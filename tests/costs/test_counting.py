"""The guard itself: it counts what is asked and nothing else, and tells every change."""

import asyncio
from collections import Counter
from copy import deepcopy
from pathlib import Path

import pytest
from temporalio.api.history.v1 import ActivityTaskStartedEventAttributes, HistoryEvent

from countersign.effects.work import Desk
from tests.costs.actions import Action, Meter, disturbances
from tests.costs.statements import ROUND_TRIPS, STATEMENTS, TRANSACTIONS, Statements
from tests.costs.table import ACTIONS, EXPECTED, WHOLE, changes, read, write
from tests.support.histories import Line


@pytest.fixture
def journey() -> str:
    return next(iter(read(EXPECTED)))


async def test_a_statement_a_transaction_and_the_waits_for_them_are_counted_by_who_asks(desk: Desk) -> None:
    statements = Statements("nowhere")
    with statements.counting():
        await desk.database.ping()
        with statements.by("pinging"):
            await asyncio.gather(desk.database.ping(), desk.database.ping())
        with statements.by("writing"):
            async with desk.database.transaction() as connection:
                await connection.execute("SELECT 1")

    taken = statements.take()
    assert taken["pinging"] == Counter({STATEMENTS: 2, ROUND_TRIPS: 2})
    assert taken["writing"] == Counter({STATEMENTS: 1, TRANSACTIONS: 1, ROUND_TRIPS: 3})
    assert taken.keys() == {"pinging", "writing"}
    assert statements.take() == {}


def test_a_count_that_goes_up_or_down_is_told_with_old_and_new(journey: str) -> None:
    old, new = read(EXPECTED), read(EXPECTED)
    new[journey][WHOLE][ACTIONS] += 1
    new[journey]["notices"]["sent"] -= 1

    actions, sent = old[journey][WHOLE][ACTIONS], old[journey]["notices"]["sent"]
    assert changes(old=old, new=new) == [
        f"{journey} | {WHOLE} | {ACTIONS}: {actions} → {actions + 1} (MORE)",
        f"{journey} | notices | sent: {sent} → {sent - 1} (less)",
    ]


def test_a_line_or_journey_that_comes_or_goes_is_told(journey: str) -> None:
    old, new = read(EXPECTED), read(EXPECTED)
    new[journey]["8 POST /again"] = {"statements": 3}
    new["another"] = deepcopy(new.pop(next(reversed(new))))

    told = changes(old=old, new=new)
    assert f"{journey} | 8 POST /again | statements: 0 → 3 (MORE)" in told
    assert any(line.startswith("another | ") and line.endswith("(MORE)") for line in told)
    assert any(line.startswith(f"{next(reversed(old))} | ") and line.endswith("(less)") for line in told)


def test_the_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "expected.toml"

    write(read(EXPECTED), file)

    assert file.read_text(encoding="utf-8") == EXPECTED.read_text(encoding="utf-8")


async def test_an_action_that_no_history_explains_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter(port=1)

    async def counted() -> Counter[str]:
        return Counter({"command_StartTimer": 2})

    monkeypatch.setattr(meter, "_new", counted)
    monkeypatch.setattr("tests.costs.actions._LATE_SECONDS", 0)
    meter.explain([Action(1, "command_StartTimer", "timer")])
    with pytest.raises(AssertionError, match=r"counted Counter.*2.*explain Counter.*1"):
        await meter.check()

    meter.explain([Action(2, "command_StartTimer", "timer")])
    await meter.check()


def test_a_history_in_which_anything_was_tried_twice_is_told_apart() -> None:
    plain = HistoryEvent(activity_task_started_event_attributes=ActivityTaskStartedEventAttributes(attempt=1))
    again = HistoryEvent(activity_task_started_event_attributes=ActivityTaskStartedEventAttributes(attempt=2))
    history = [Line("ACTIVITY_TASK_STARTED", "", plain), Line("WORKFLOW_TASK_COMPLETED", "", HistoryEvent())]

    assert disturbances(history) == []
    assert disturbances([*history, Line("ACTIVITY_TASK_STARTED", "", again)]) == ["ACTIVITY_TASK_STARTED tried again"]
    assert disturbances([*history, Line("WORKFLOW_TASK_TIMED_OUT", "", HistoryEvent())]) == ["WORKFLOW_TASK_TIMED_OUT"]
