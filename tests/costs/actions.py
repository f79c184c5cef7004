"""Billable actions: what the history says that each pays for, and what the server counted."""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import httpx
from temporalio.api.history.v1 import HistoryEvent

from countersign.local.tcp_ports import LOOPBACK
from tests.support.histories import Line

_COUNTED = re.compile(r'^action\{action_type="(\w+)",namespace="default",.*\} (\d+)$', re.MULTILINE)
# An event of the history, and the `action_type` under which the server counts it.
_BILLED = {
    "WORKFLOW_EXECUTION_STARTED": "grpc_StartWorkflowExecution",
    "WORKFLOW_EXECUTION_SIGNALED": "grpc_SignalWorkflowExecution",
    "WORKFLOW_EXECUTION_UPDATE_ACCEPTED": "message_UpdateWorkflowExecution_Acceptance",
    "ACTIVITY_TASK_SCHEDULED": "command_ScheduleActivityTask",
    "TIMER_STARTED": "command_StartTimer",
    "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES": "command_UpsertWorkflowSearchAttributes",
    "MARKER_RECORDED": "command_BatchMarkers",
}
_LOCAL_ACTIVITY = "core_local_activity"
_LATE_SECONDS = 5


@dataclass(frozen=True)
class Action:
    """One billable action: the event that shows it, how the server counts it, and what it pays for."""

    event_id: int
    kind: str
    pays_for: str


def actions_in(history: Iterable[Line]) -> list[Action]:
    """Return the billable actions of a history in which nothing was tried twice; raises ``KeyError`` for a strange one.

    All markers of one workflow task together, so all its local activities, are one.
    """
    billed: dict[object, Action] = {}
    for line in history:
        if line.kind in _BILLED:
            which = _task(line.event) if line.kind == "MARKER_RECORDED" else line.event.event_id
            said = _pays_for(line)
            if which in billed:
                said = f"{billed[which].pays_for}, {said}"
            billed[which] = Action(line.event.event_id, _BILLED[line.kind], said)
    return list(billed.values())


def _task(event: HistoryEvent) -> tuple[str, int]:
    return "markers of", event.marker_recorded_event_attributes.workflow_task_completed_event_id


def _pays_for(line: Line) -> str:
    event, paid = line.event, "search attributes"
    summary = json.loads(event.user_metadata.summary.data or '""')
    match line.kind:
        case "WORKFLOW_EXECUTION_STARTED":
            paid = "start of the workflow"
        case "WORKFLOW_EXECUTION_SIGNALED":
            paid = f"signal `{event.workflow_execution_signaled_event_attributes.signal_name}`"
        case "WORKFLOW_EXECUTION_UPDATE_ACCEPTED":
            accepted = event.workflow_execution_update_accepted_event_attributes.accepted_request
            paid = f"update `{accepted.input.name}`"
        case "ACTIVITY_TASK_SCHEDULED":
            name = event.activity_task_scheduled_event_attributes.activity_type.name
            paid = f"activity `{name}` ({summary})"
        case "TIMER_STARTED":
            paid = f"timer ({summary})"
        case "MARKER_RECORDED":
            paid = _marker(line)
    return paid


def _marker(line: Line) -> str:
    recorded = line.event.marker_recorded_event_attributes
    if recorded.marker_name != _LOCAL_ACTIVITY:
        return f"marker `{recorded.marker_name}`"
    return f"local activity `{_local_activity(line)['activity_type']}`"


def _local_activity(line: Line) -> dict[str, object]:
    [payload] = line.event.marker_recorded_event_attributes.details["data"].payloads
    return dict(json.loads(payload.data))


def disturbances(history: Sequence[Line]) -> list[str]:
    """Return what was done twice because something took too long or failed: such a run tells of the machine."""
    lost = [line.kind for line in history if line.kind.endswith(("TASK_TIMED_OUT", "TASK_FAILED"))]
    return lost + [f"{line.kind} tried again" for line in history if _attempt(line) > 1]


def _attempt(line: Line) -> int:
    match line.kind:
        case "ACTIVITY_TASK_STARTED":
            return line.event.activity_task_started_event_attributes.attempt
        case "MARKER_RECORDED":
            is_local = line.event.marker_recorded_event_attributes.marker_name == _LOCAL_ACTIVITY
            return int(str(_local_activity(line)["attempt"])) if is_local else 1
    return 1


@dataclass
class Meter:
    """The metric `action` of a server, by `action_type`, held against what histories explain."""

    port: int
    seen: Counter[str] = field(default_factory=Counter)
    explained: Counter[str] = field(default_factory=Counter)

    def explain(self, paid: Iterable[Action]) -> None:
        """Expect that the server counts these."""
        self.explained.update(action.kind for action in paid)

    async def check(self) -> None:
        """Return once the server counted what was explained since the last time; AssertionError tells both.

        It tells once a second what it counted.
        """
        deadline = time.monotonic() + _LATE_SECONDS
        while (counted := await self._new()) != self.explained:
            assert time.monotonic() < deadline, f"Temporal counted {counted}, the histories explain {self.explained}"
            await asyncio.sleep(0.02)
        self._begin_anew(counted)

    async def forget(self) -> None:
        """Let nothing count that was counted or explained so far."""
        await asyncio.sleep(_LATE_SECONDS)
        self._begin_anew(await self._new())

    def _begin_anew(self, counted: Counter[str]) -> None:
        self.seen += counted
        self.explained.clear()

    async def _new(self) -> Counter[str]:
        async with httpx.AsyncClient() as http:
            text = (await http.get(f"http://{LOOPBACK}:{self.port}/metrics")).text
        counted: Counter[str] = Counter()
        for kind, count in _COUNTED.findall(text):
            counted[kind] += int(count)
        return counted - self.seen
