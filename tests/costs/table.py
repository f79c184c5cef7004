"""The committed table of costs: exact counts, as `python -m tests.costs --write` found them."""

import tomllib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.costs.measuring import Measured
from tests.costs.statements import ROUND_TRIPS, STATEMENTS, TRANSACTIONS

EXPECTED = Path(__file__).with_name("expected.toml")
COMMAND = "python -m tests.costs --write"
ACTIONS, EVENTS, TASKS = "billable actions", "history events", "workflow tasks"
WHOLE = "whole"

Counts = dict[str, int]
# Journey, line of the journey, what is counted.
Table = dict[str, dict[str, Counts]]

_HEAD = f"""# What each journey costs, in exact counts. Written by `{COMMAND}`: see docs/performance.md.
# A line is a step, and who asks the database at it; within a journey the steps stand in their order.
"""


def table_of(journeys: Iterable[Measured]) -> Table:
    """Return the costs of the journeys: the whole, by kind, and step by step."""
    return {each.name: _lines_of(each) for each in journeys}


def write(table: Table, file: Path) -> None:
    """Replace the committed table."""
    parts = [_HEAD]
    for journey, lines in table.items():
        parts.append(f'\n["{journey}"]\n')
        parts += [f'"{line}" = {{ {_inline(counts)} }}\n' for line, counts in lines.items()]
    file.write_text("".join(parts), encoding="utf-8")


def read(file: Path) -> Table:
    """Return the committed table."""
    return dict(tomllib.loads(file.read_text(encoding="utf-8")))


def changes(*, old: Table, new: Table) -> list[str]:
    """Return a line for every count that is not what it was, more before less."""
    before, after = _flat(old), _flat(new)
    differing = [key for key in [*after, *(before.keys() - after.keys())] if before.get(key, 0) != after.get(key, 0)]
    differing.sort(key=lambda key: after.get(key, 0) < before.get(key, 0))
    return [_told(key, before.get(key, 0), after.get(key, 0)) for key in differing]


def totals_of(each: Measured) -> Counts:
    """Return what the whole journey costs, its notices included."""
    asked = sum((counts for step in each.steps for counts in step.statements.values()), each.notice_statements)
    return {
        ACTIONS: len(each.actions),
        EVENTS: len(each.history),
        TASKS: _tasks(line.kind for line in each.history),
        **_asked(asked),
    }


def _lines_of(each: Measured) -> dict[str, Counts]:
    lines = {
        WHOLE: totals_of(each),
        ACTIONS: dict(sorted(Counter(action.kind for action in each.actions).items())),
        EVENTS: dict(sorted(Counter(line.kind for line in each.history).items())),
    }
    for number, step in enumerate(each.steps):
        lines[step.name] = _step(each, number)
        lines |= {f"{step.name}, {who}": _asked(counts) for who, counts in sorted(step.statements.items())}
    return lines | {"notices": {"sent": each.notices, **_asked(each.notice_statements)}}


def step_of(each: Measured, event_id: int) -> int:
    """Return at which step, counted from 0, the event was written."""
    return bisect_left([step.last_event_id for step in each.steps], event_id)


def _step(each: Measured, number: int) -> Counts:
    kinds = [line.kind for line in each.history if step_of(each, line.event.event_id) == number]
    actions = sum(step_of(each, action.event_id) == number for action in each.actions)
    return {ACTIONS: actions, EVENTS: len(kinds), TASKS: _tasks(kinds)}


def _tasks(kinds: Iterable[str]) -> int:
    return sum(kind == "WORKFLOW_TASK_COMPLETED" for kind in kinds)


def _asked(counted: Mapping[str, int]) -> Counts:
    return {what: counted.get(what, 0) for what in (STATEMENTS, TRANSACTIONS, ROUND_TRIPS)}


def _inline(counts: Counts) -> str:
    return ", ".join(f'"{what}" = {count}' if " " in what else f"{what} = {count}" for what, count in counts.items())


def _flat(table: Table) -> dict[tuple[str, str, str], int]:
    return {
        (journey, line, what): count
        for journey, lines in table.items()
        for line, counts in lines.items()
        for what, count in counts.items()
    }


def _told(key: tuple[str, str, str], old: int, new: int) -> str:
    journey, line, what = key
    return f"{journey} | {line} | {what}: {old} → {new} ({'MORE' if new > old else 'less'})"
