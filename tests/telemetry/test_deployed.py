"""What is deployed beside the processes fits them: no alert and no graph asks for what nobody tells."""

from unittest.mock import patch

import pytest
from pydantic import ValidationError

from tests.telemetry import check_deployed
from tests.telemetry.check_deployed import Alert, alerts, faults


def test_alerts_scrapes_and_dashboard_are_in_order() -> None:
    assert list(faults()) == []
    assert len({rule.alert for rule in alerts()}) == len(alerts()) >= 14


@pytest.mark.parametrize("expression", ["sum(", "rate(countersign_x_total)", "a and", "increase(x[soon])"])
def test_an_expression_that_prometheus_would_not_take_is_found(expression: str) -> None:
    with patch.object(check_deployed, "expressions", lambda: [expression]):
        assert len(list(faults())) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"labels": {"severity": "page"}},
        {"labels": {}},
        {"annotations": {"summary": "It is down."}},
        {"annotations": {"summary": "It is down.", "runbook": "docs/other.md#x"}},
        {"for": "soon"},
        {"unknown": 1},
    ],
)
def test_a_rule_that_lacks_what_it_must_have_is_found(change: dict[str, object]) -> None:
    good = {
        "alert": "IsDown",
        "expr": "up == 0",
        "labels": {"severity": "warning"},
        "annotations": {"summary": "It is down.", "runbook": "docs/runbook.md#it-is-down"},
    }
    Alert.model_validate(good)
    with pytest.raises(ValidationError):
        Alert.model_validate({**good, **change})
