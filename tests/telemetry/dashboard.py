"""The Grafana dashboard, made from what it shows: ``python -m tests.telemetry.dashboard --write``."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parents[2] / "deploy" / "grafana" / "countersign.json"
_WIDE, _COLUMNS, _HIGH = 8, 24, 8
_CHOICE = {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
_SOURCE = {"type": "prometheus", "uid": "${source}"}


_BATCH = "histogram_quantile(0.95, sum by (le) (rate(countersign_outbox_batch_notices_bucket[$__rate_interval])))"


@dataclass(frozen=True)
class Panel:
    """One graph; ``queries`` are expressions with their legends."""

    title: str
    queries: dict[str, str]
    unit: str = "short"


def _p95(histogram: str, by: str) -> dict[str, str]:
    return {
        f"histogram_quantile(0.95, sum by (le, {by}) (rate({histogram}_bucket[$__rate_interval])))": f"{{{{{by}}}}}"
    }


def _rate(counter: str, *by: str) -> dict[str, str]:
    legend = " ".join(f"{{{{{each}}}}}" for each in by) or counter
    return {f"sum by ({', '.join(by)}) (rate({counter}[$__rate_interval]))": legend}


ROWS: dict[str, list[Panel]] = {
    "Is it well": [
        Panel("Processes", {'sum by (job) (up{job=~"countersign-.*"})': "{{job}}"}),
        Panel("Reached by the worst off", {"min by (part) (countersign_part_up)": "{{part}}"}),
        Panel("Last word of a worker", {"min(countersign_worker_heartbeat_age_seconds)": "age"}, unit="s"),
    ],
    "Journeys": [
        Panel("Begun", _rate("countersign_requests_started_total", "journey"), unit="reqps"),
        Panel("Ended", _rate("countersign_requests_ended_total", "journey", "outcome"), unit="reqps"),
        Panel("Open", {"max by (journey, step) (countersign_open_requests)": "{{journey}} {{step}}"}),
        Panel("Past their time", {"max by (journey, step) (countersign_overdue_requests)": "{{journey}} {{step}}"}),
        Panel("Time at a step, 19 of 20", _p95("countersign_step_duration_seconds", "step"), unit="s"),
        Panel(
            "Waiting for account managers",
            {"max by (at_least) (countersign_account_manager_waiting)": "{{at_least}} s and more"},
        ),
    ],
    "Codes and mails": [
        Panel("Codes", _rate("countersign_codes_total", "channel", "delivery"), unit="reqps"),
        Panel(
            "Twilio and SendGrid",
            _rate("countersign_provider_call_duration_seconds_count", "channel", "result"),
            unit="reqps",
        ),
        Panel("Their time, 19 of 20", _p95("countersign_provider_call_duration_seconds", "channel"), unit="s"),
        Panel("Verdicts", _rate("countersign_verdicts_total", "message", "result"), unit="reqps"),
        Panel(
            "SMS of the day", {"max(countersign_sms_today)": "made", "max(countersign_sms_cap)": "at most (0: no cap)"}
        ),
        Panel(
            "Outbox",
            {
                "max(countersign_notices_waiting)": "waiting",
                "sum by (result) (rate(countersign_notices_total[$__rate_interval]))": "{{result}} a second",
                _BATCH: "at once",
            },
        ),
        Panel("Oldest mail", {"max(countersign_oldest_notice_seconds)": "age"}, unit="s"),
        Panel(
            "Oldest wait for an account manager",
            {"max(countersign_oldest_account_manager_wait_seconds)": "age"},
            unit="s",
        ),
        Panel("Refused decisions", {"max(countersign_decisions_refused)": "of all requests"}),
    ],
    "HTTP": [
        Panel("Answers", _rate("countersign_http_requests_total", "status"), unit="reqps"),
        Panel("Time, 19 of 20", _p95("countersign_http_request_duration_seconds", "route"), unit="s"),
        Panel("Problems", _rate("countersign_problems_total", "problem"), unit="reqps"),
    ],
    "Workers": [
        Panel("Failing chores", _rate("countersign_chore_failures_total", "chore")),
        Panel(
            "Since a chore last went well",
            {"time() - max by (chore) (countersign_chore_last_success_timestamp_seconds)": "{{chore}}"},
            unit="s",
        ),
        Panel(
            "Mended",
            {
                "sum(rate(countersign_workflows_started_late_total[$__rate_interval]))": "started late",
                "sum(rate(countersign_workflows_nudged_total[$__rate_interval]))": "nudged",
                "sum by (kind) (rate(countersign_reconcile_differences_total[$__rate_interval]))": "differed: {{kind}}",
            },
        ),
        Panel(
            "Connections to the database",
            {
                "sum by (job, state) (countersign_database_pool_connections)": "{{job}} {{state}}",
                "sum by (job) (countersign_database_pool_waiting)": "{{job}} waiting",
            },
        ),
        Panel(
            "Waiting for a connection",
            {
                "sum by (job) (rate(countersign_database_pool_wait_seconds_total[$__rate_interval]))"
                " / sum by (job) (rate(countersign_database_pool_requests_total[$__rate_interval]))": "{{job}}, each",
            },
            unit="s",
        ),
        Panel(
            "Connections lost, and in vain waited for",
            {
                "sum by (job) (rate(countersign_database_pool_lost_total[$__rate_interval]))": "{{job}} lost",
                "sum by (job) (rate(countersign_database_pool_errors_total[$__rate_interval]))": "{{job}} in vain",
            },
        ),
    ],
    "Temporal": [
        Panel(
            "Workflow tasks wait, 19 of 20",
            _p95("temporal_workflow_task_schedule_to_start_latency_seconds", "task_queue"),
            unit="s",
        ),
        Panel(
            "Free slots", {"min by (worker_type) (temporal_worker_task_slots_available)": "{{worker_type}}"}
        ),
        Panel("Kept workflows", {"sum by (instance) (temporal_sticky_cache_size)": "{{instance}}"}),
        Panel("Calls, 19 of 20", _p95("temporal_request_latency_seconds", "operation"), unit="s"),
        Panel("Failing calls", _rate("temporal_request_failure_total", "operation", "status_code"), unit="reqps"),
        Panel(
            "Failing workflow tasks", _rate("temporal_workflow_task_execution_failed_total", "workflow_type")
        ),
    ],
}  # fmt: skip


def dashboard() -> dict[str, Any]:
    """Return it as Grafana imports it."""
    return {
        "uid": "countersign",
        "title": "Countersign",
        "tags": ["countersign"],
        "timezone": "utc",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [{"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]
        },
        "panels": list(_panels()),
    }


def _panels() -> Iterator[dict[str, Any]]:
    number, top = 0, 0
    for title, panels in ROWS.items():
        number += 1
        yield {"id": number, "type": "row", "title": title, "gridPos": {"x": 0, "y": top, "w": _COLUMNS, "h": 1}}
        top += 1
        for place, panel in enumerate(panels):
            number += 1
            across, down = place * _WIDE % _COLUMNS, place * _WIDE // _COLUMNS
            yield _graph(panel, number, {"x": across, "y": top + down * _HIGH, "w": _WIDE, "h": _HIGH})
        top += -(-len(panels) * _WIDE // _COLUMNS) * _HIGH


def _graph(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + at), "datasource": _SOURCE, "expr": query, "legendFormat": legend}
        for at, (query, legend) in enumerate(panel.queries.items())
    ]
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "gridPos": place,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": targets,
    }


def text() -> str:
    """Return the file's text."""
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    if "--write" in sys.argv:
        FILE.write_text(text())
    elif FILE.read_text() != text():
        sys.exit(f"{FILE.name} is not current: python -m tests.telemetry.dashboard --write")
