"""Orders of ops: who stops, freezes or thaws something, when and why."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from countersign.domain.errors import InvalidInput
from countersign.domain.messages import Actor

_LONGEST = 200


@dataclass(frozen=True)
class Order:
    """What stands in the audit trail of each account beside what was done: the name of who did it, and the reason."""

    at: datetime
    actor: Actor
    by: str
    reason: str

    @property
    def told(self) -> dict[str, Any]:
        """Return what an audit event tells of it."""
        return {"by": self.by, "reason": self.reason}


def parse_reason(text: str) -> str:
    """Return the reason on one line; raises ``InvalidInput`` where there is none, or too long a one."""
    return _on_one_line(text, f"Say why, in 1 to {_LONGEST} characters. The owners can read it, so leave out secrets.")


def parse_name(text: str) -> str:
    """Return who gives the order, on one line; raises ``InvalidInput`` where there is none."""
    return _on_one_line(text, f"Say who you are, in 1 to {_LONGEST} characters.")


def _on_one_line(text: str, demand: str) -> str:
    line = " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())
    if not 0 < len(line) <= _LONGEST:
        raise InvalidInput(demand)
    return line
