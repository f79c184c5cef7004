"""Outputs as they stand in the runbook: the same whoever ran the commands, and when."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from uuid import NAMESPACE_URL, uuid5

_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_KEY_ID = re.compile(r"\bk\d{8}-[0-9a-f]{6}\b")
_SESSION_NAME = re.compile(r"\bCS-(T|MD)(?:-[0-9A-Z]{4}){3}\b")
_PUBLIC_ID = re.compile(r"\bcs[ku]_[0-9A-Za-z]+")
_SHA = re.compile(r"\b[0-9a-f]{64}\b")
_WIDTH = 200
_PLAIN: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), shown)
    for pattern, shown in (
        (r"20\d\d-\d\d-\d\d([T ])\d\d:\d\d:\d\d(?:[.,]\d+)?", r"2026-11-27\g<1>10:15:42"),
        (r"20\d\d-\d\d-\d\d \d\d:\d\d(?!:)", "2026-11-27 10:15"),
        (r"(?m)\b\d+ (?:seconds?|minutes?|hours?) (?:ago|from now)\b|(?<=  )now *$", "moments ago"),
        (r"\b\d+\.\d+ s \([\d,]+ a second\)", "0.4 s (5,000 a second)"),
        (r"\bSM0{20,}(\d+)\b", r"SM0000000000000000000000000000\1"),
        (r"\b(\d+\.\d)\d+\b", r"\1"),
        (r"\b\d+@[\w.-]+", "4711@worker"),
        (r"\b20\d{6}T\d{12}\b", "20261127T101542000000"),
    )
)


@dataclass
class Mask:
    """What stands for what, within one entry: whatever appears twice is the same twice."""

    anchor: str
    places: dict[str, str]
    seen: dict[str, str] = field(default_factory=dict)

    def hide(self, text: str) -> str:
        """Return the text as the runbook shows it."""
        for place, shown in self.places.items():
            text = text.replace(place, shown)
        for pattern, make in (
            (_UUID, self._uuid),
            (_KEY_ID, self._key_id),
            (_SESSION_NAME, self._session_name),
            (_PUBLIC_ID, self._public_id),
            (_SHA, self._sha),
        ):
            text = pattern.sub(partial(self._named, make), text)
        for pattern, shown in _PLAIN:
            text = pattern.sub(shown, text)
        return "\n".join(_narrow(line.rstrip()) for line in text.strip("\n").splitlines())

    def _named(self, make: Callable[[str, str], str], match: re.Match[str]) -> str:
        real = match[0]
        if real not in self.seen:
            self.seen[real] = make(real, f"{self.anchor}/{len(self.seen)}")
        return self.seen[real]

    @staticmethod
    def _uuid(_real: str, name: str) -> str:
        return str(uuid5(NAMESPACE_URL, name))

    @staticmethod
    def _key_id(_real: str, name: str) -> str:
        return f"k20261127-{uuid5(NAMESPACE_URL, name).hex[:6]}"

    @staticmethod
    def _session_name(real: str, name: str) -> str:
        made = uuid5(NAMESPACE_URL, name).hex.upper()
        return f"{real[: real.index('-', 3)]}-{made[:4]}-{made[4:8]}-{made[8:12]}"

    @staticmethod
    def _public_id(real: str, name: str) -> str:
        return f"{real[:4]}{uuid5(NAMESPACE_URL, name).hex[:20]}"

    @staticmethod
    def _sha(_real: str, name: str) -> str:
        return uuid5(NAMESPACE_URL, name).hex * 2


def _narrow(line: str) -> str:
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"


def shape_of(output: str) -> str:
    """Return what two runs have in common: words, not counts, ids or the width of columns."""
    without_ids = re.sub(r"\b[0-9a-f]*\d[0-9a-f-]*\b", "0", output)
    return re.sub(r"[\s\d]+", " ", without_ids).strip()
