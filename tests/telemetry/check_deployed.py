"""Checks alert rules, scrape configuration and dashboard: ``python -m tests.telemetry.check_deployed``.

Every expression is parsed as Prometheus parses it; what a rule must have, it has; runbook links lead somewhere.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import promql_parser
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tests.telemetry import dashboard

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
SCRAPES = ROOT / "deploy" / "prometheus" / "prometheus.yml"
RUNBOOK = ROOT / "docs" / "runbook.md"
JOBS = {"countersign-api", "countersign-verifier", "countersign-worker"}
# Grafana puts it in: long enough for some scrapes.
_INTERVAL = "$__rate_interval"
_METRIC = re.compile(r"\b(?:countersign|temporal)_[a-z0-9_]+|\bup\b")
Duration = Annotated[str, Field(pattern=r"^[0-9]+[smhd]$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Labels(_Strict):
    severity: Literal["critical", "warning"]


class Annotations(_Strict):
    summary: str = Field(pattern=r"\.$", max_length=120)
    runbook: str = Field(pattern=r"^docs/runbook\.md#[a-z-]+$")


class Alert(_Strict):
    alert: str = Field(pattern=r"^[A-Z][A-Za-z]+$")
    expr: str
    wait: Duration | None = Field(default=None, alias="for")
    labels: Labels
    annotations: Annotations


class Group(_Strict):
    name: str
    rules: list[Alert]


class Rules(_Strict):
    groups: list[Group]


def alerts() -> list[Alert]:
    """Return the alert rules; raises ``ValidationError``."""
    return [rule for group in Rules.model_validate(yaml.safe_load(ALERTS.read_text())).groups for rule in group.rules]


def expressions() -> Iterator[str]:
    """Yield every expression of the rules and of the dashboard."""
    yield from (rule.expr for rule in alerts())
    for panel in json.loads(dashboard.FILE.read_text())["panels"]:
        yield from (target["expr"].replace(_INTERVAL, "1m") for target in panel.get("targets", []))


def metrics_named() -> set[str]:
    """Return the names of all metrics that are asked for."""
    return {name for expression in expressions() for name in _METRIC.findall(_without_strings(expression))}


def faults() -> Iterator[str]:
    """Yield what is wrong."""
    try:
        rules = alerts()
    except ValidationError as error:
        yield str(error)
        return
    for expression in expressions():
        try:
            promql_parser.parse(expression)
        except ValueError as error:
            yield f"{expression}: {error}"
    if dashboard.FILE.read_text() != dashboard.text():
        yield f"{dashboard.FILE.name} is not current: python -m tests.telemetry.dashboard --write"
    scraped = {each["job_name"] for each in yaml.safe_load(SCRAPES.read_text())["scrape_configs"]}
    if scraped != JOBS:
        yield f"{SCRAPES.name} has the jobs {scraped}, and alerts speak of {JOBS}"
    if RUNBOOK.exists():
        known = set(_anchors(RUNBOOK.read_text()))
        yield from (f"{rule.alert}: no such entry" for rule in rules if _anchor(rule) not in known)


def _without_strings(expression: str) -> str:
    return re.sub(r'"[^"]*"', '""', expression)


def _anchor(rule: Alert) -> str:
    return rule.annotations.runbook.partition("#")[2]


def _anchors(markdown: str) -> Iterator[str]:
    for heading in re.findall(r"^#+ (.+)$", markdown, flags=re.MULTILINE):
        yield re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


if __name__ == "__main__":
    found = list(faults())
    sys.exit("\n".join(found) if found else None)
