"""What recorded histories tell: at which steps a workflow waited, how it went on, and what its messages held."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from countersign.domain.messages import SECRET_FIELDS
from countersign.domain.requests import Journey, Outcome, Step

FOLDER = Path(__file__).parents[1] / "histories"
RECORDED = sorted(FOLDER.rglob("*.json"))
SCRUBBED = "000000"
_DATA = re.compile(r'"data": "([A-Za-z0-9+/=]+)"')


@dataclass(frozen=True)
class Turn:
    """What a database step told the workflow, and which step it was."""

    journey: Journey
    step: Step
    outcome: Outcome | None
    by: str


@dataclass(frozen=True)
class End:
    """A request's last step, what was told there, and the outcome."""

    journey: Journey
    step: Step
    by: str
    outcome: Outcome


def turns(text: str) -> list[Turn]:
    """Return what each database step of a history answered, in its order."""
    return [_turn(event["markerRecordedEventAttributes"]["details"]) for event in events(text) if _is_answer(event)]


def end_of(text: str) -> End | None:
    """Return how the request of a history ended; None for one that ended before its workflow began."""
    for before, after in pairwise(turns(text)):
        if after.outcome is not None:
            return End(before.journey, before.step, after.by, after.outcome)
    return None


def events(text: str) -> list[dict[str, Any]]:
    return list(json.loads(text)["events"])


def type_of(text: str) -> str:
    """Return the workflow type of a history."""
    started = events(text)[0]["workflowExecutionStartedEventAttributes"]
    return str(started["workflowType"]["name"])


def scrub(text: str) -> str:
    """Return the history with every code, token and statement in its messages replaced: replay looks at none."""
    return _DATA.sub(lambda found: f'"data": "{_scrubbed(found[1])}"', text)


def secrets_in(text: str) -> set[str]:
    """Return the values of whatever a message could be used to act with."""
    return {value for found in _DATA.finditer(text) for value in _secrets(_decoded(found[1]))}


def _is_answer(event: dict[str, Any]) -> bool:
    details = event.get("markerRecordedEventAttributes", {}).get("details", {})
    return "result" in details and isinstance(_state(details), dict)


def _turn(details: dict[str, Any]) -> Turn:
    state = _state(details)
    outcome = state["outcome"] and Outcome(state["outcome"])
    return Turn(Journey(state["journey"]), Step(state["step"]), outcome, by=_payload(details["data"])["activity_type"])


def _state(details: dict[str, Any]) -> Any:
    answer = _payload(details["result"])
    return answer.get("state", answer) if isinstance(answer, dict) else answer


def _payload(payloads: dict[str, Any]) -> Any:
    return _decoded(payloads["payloads"][0]["data"])


def _decoded(data: str) -> Any:
    try:
        return json.loads(base64.b64decode(data))
    except ValueError:
        return None


def _scrubbed(data: str) -> str:
    value = _decoded(data)
    if not set(_secrets(value)):
        return data
    return base64.b64encode(json.dumps(_without_secrets(value), separators=(",", ":")).encode()).decode()


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: SCRUBBED if _acts(name, each) else _without_secrets(each) for name, each in value.items()}
    return [_without_secrets(each) for each in value] if isinstance(value, list) else value


def _secrets(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            if _acts(name, each):
                yield each
            else:
                yield from _secrets(each)
    elif isinstance(value, list):
        for each in value:
            yield from _secrets(each)


def _acts(name: str, value: Any) -> bool:
    return name in SECRET_FIELDS and isinstance(value, str)
