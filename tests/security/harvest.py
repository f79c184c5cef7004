"""What a run over the API brought in, and what must not be in it."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

_NEVER_ECHOED = ("code", "token", "reveal_verifier", "phone")
_SHOWN_ONCE = ("api_secret", "password", "secret", "otpauth_uri", "codes")
_SHORTEST_TO_LOOK_FOR = 6


@dataclass(frozen=True)
class Answer:
    """One call and its answer; ``asked`` and ``sent`` are all that the caller said, ``got`` is the body."""

    role: str
    operation: str
    status: int
    asked: str = field(repr=False)
    sent: str = field(repr=False)
    headers: str = field(repr=False)
    got: str = field(repr=False)

    def told(self, text: str) -> bool:
        """Whether the answer tells it to somebody who did not say it."""
        return text in f"{self.headers}\n{self.got}" and text not in f"{self.asked}\n{self.sent}"


@dataclass
class Harvest:
    """All answers, and what Schemathesis' checks found at fault."""

    answers: list[Answer] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def statuses(self) -> dict[str, Counter[int]]:
        """How often each operation answered what."""
        found: dict[str, Counter[int]] = {}
        for answer in self.answers:
            found.setdefault(answer.operation, Counter())[answer.status] += 1
        return found

    def table(self) -> str:
        """The same, to be read."""
        lines = [
            f"{operation:<75} " + "  ".join(f"{status}: {count}" for status, count in sorted(counts.items()))
            for operation, counts in sorted(self.statuses().items())
        ]
        return "\n".join(lines)

    def never_reached(self, operations: Iterable[str]) -> list[str]:
        """Those that nobody was ever answered with success."""
        statuses = self.statuses()
        return [each for each in operations if not any(status < 300 for status in statuses.get(each, ()))]


def leaks(
    answers: Iterable[Answer], markers: Mapping[str, AbstractSet[str]], *, hidden_from: Mapping[str, AbstractSet[str]]
) -> list[str]:
    """Return what answers told of accounts that are hidden from whoever asked.

    ``markers`` tells what is unique to an account, ``hidden_from`` which accounts each role must never hear of.
    """
    found = []
    for answer in answers:
        strange = {mark for account in hidden_from[answer.role] for mark in markers[account]}
        told = sorted(mark for mark in strange if answer.told(mark))
        if told:
            found.append(f"{answer.role}: {answer.operation}: {answer.status}: {told}")
    return found


def echoes(answers: Iterable[Answer]) -> list[str]:
    """Return the refusals that repeat a code or token that was sent; not what it was."""
    return [
        f"{answer.role}: {answer.operation}: {answer.status} repeats {name}"
        for answer in answers
        if answer.status >= 400
        for name, value in _sent(answer)
        if re.search(rf"(?<![\w.]){re.escape(value)}(?!\w)", answer.got)
    ]


def betrayals(answers: Iterable[Answer]) -> list[str]:
    """Return the answers that hold what was shown once to somebody, or in another answer."""
    answers = list(answers)
    shown = {secret: answer for answer in answers for secret in _secrets(answer)}
    return [
        f"{answer.role}: {answer.operation} holds what {first.role} was shown by {first.operation}"
        for answer in answers
        for secret, first in shown.items()
        if answer.told(secret) and (answer.role, answer.operation) != (first.role, first.operation)
    ]


def _sent(answer: Answer) -> Iterator[tuple[str, str]]:
    try:
        body = json.loads(answer.sent)
    except ValueError:
        return
    for name in _NEVER_ECHOED:
        value = body.get(name) if isinstance(body, dict) else None
        if isinstance(value, str) and len(value.strip()) >= _SHORTEST_TO_LOOK_FOR:
            yield name, value.strip()


def _secrets(answer: Answer) -> Iterator[str]:
    if answer.status != 200 or not answer.got.startswith("{"):
        return
    body = json.loads(answer.got)
    for name in _SHOWN_ONCE:
        value = body.get(name)
        yield from value if isinstance(value, list) else [value] if value else []
