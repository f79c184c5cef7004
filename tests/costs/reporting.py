"""The costs in Markdown: what each action of the two limited journeys pays for, and all journeys side by side."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.costs.journeys import LIMITS, name_of
from tests.costs.measuring import Measured
from tests.costs.statements import ROUND_TRIPS, STATEMENTS, TRANSACTIONS
from tests.costs.table import ACTIONS, EVENTS, TASKS, step_of, totals_of
from tests.support.documents import Marks

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
COSTS = Marks("<!-- costs -->", "<!-- /costs -->")
_LIMITS = {name_of(journey): limit for journey, limit in LIMITS.items()}


def report(journeys: Sequence[Measured]) -> str:
    """Return the exact counts that the document holds."""
    parts = [_paid(each, _LIMITS[each.name]) for each in journeys if each.name in _LIMITS]
    return "\n\n".join("\n".join(lines) for lines in [*parts, _all(journeys)])


def _paid(each: Measured, limit: int) -> list[str]:
    head = f"**{each.name}**: {len(each.actions)} billable actions of at most {limit}."
    rows = [_paid_at(each, number) for number in range(len(each.steps))]
    return [head, "", "| step | pays for | actions |", "|---|---|--:|", *rows]


def _paid_at(each: Measured, number: int) -> str:
    paid = [action.pays_for for action in each.actions if step_of(each, action.event_id) == number]
    return f"| {_code(each.steps[number].name)} | {'; '.join(paid) or 'nothing'} | {len(paid)} |"


def _code(name: str) -> str:
    number, _, call = name.partition(" ")
    return f"{number}. `{call}`"


def sizes(journeys: Iterable[Measured]) -> str:
    """Return how much the histories hold: no exact figures, and no part of the guard."""
    kilobytes = [each.bytes / 1000 for each in journeys]
    return f"Their histories take {min(kilobytes):.0f} to {max(kilobytes):.0f} kB at the server."


def _all(journeys: Iterable[Measured]) -> list[str]:
    columns = (ACTIONS, TASKS, EVENTS, STATEMENTS, TRANSACTIONS, ROUND_TRIPS)
    head = f"| journey | {' | '.join(columns)} | mails of notices |"
    return [head, "|---" + "|--:" * (len(columns) + 1) + "|", *(_row(each, columns) for each in journeys)]


def _row(each: Measured, columns: Sequence[str]) -> str:
    totals = totals_of(each)
    counts = " | ".join(str(totals[column]) for column in columns)
    return f"| {each.name} | {counts} | {each.notices} |"
