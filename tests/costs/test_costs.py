"""CI fails when a journey gets dearer, and when it gets cheaper and the table does not say so."""

import pytest

from tests.costs.journeys import LIMITS, Journey, name_of
from tests.costs.measuring import Measured
from tests.costs.reporting import COSTS, DOCUMENT, report
from tests.costs.table import COMMAND, EXPECTED, changes, read, table_of


def test_every_journey_costs_exactly_what_the_table_says(measured: list[Measured]) -> None:
    changed = changes(old=read(EXPECTED), new=table_of(measured))

    told = "\n".join(changed)
    assert not changed, f"Costs changed. Where that is meant, run `{COMMAND}` and commit what it writes.\n{told}"


@pytest.mark.parametrize(("journey", "limit"), LIMITS.items(), ids=[journey.__name__ for journey in LIMITS])
def test_a_journey_stays_within_its_limit_of_billable_actions(
    measured: list[Measured], journey: Journey, limit: int
) -> None:
    [found] = [each for each in measured if each.name == name_of(journey)]

    assert found.outcome == "activated"
    assert found.notices > 0
    assert len(found.actions) <= limit, [each.pays_for for each in found.actions]


def test_the_document_tells_what_each_action_pays_for(measured: list[Measured]) -> None:
    assert report(measured) in COSTS.read(DOCUMENT), f"Run `{COMMAND}` and commit what it writes."
