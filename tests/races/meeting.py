"""Two sides of a race, fired at once again and again, so that they meet and neither always comes first."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

One = TypeVar("One")
Other = TypeVar("Other")

_JITTER = 0.002
_FINEST, _COARSEST = 0.001, 0.064


@dataclass
class Start:
    """When the sides start (s): whoever came first starts later the next time, by more until the tide turns."""

    lead: float
    stride: float = 0.008
    first_came: bool | None = None

    async def fire(
        self, first: Callable[[], Awaitable[One]], other: Callable[[], Awaitable[Other]]
    ) -> tuple[One, Other]:
        """Let both go, the first one ``lead`` before the other, give or take two milliseconds."""
        lead = self._jittered()
        return await asyncio.gather(_after(-lead, first), _after(lead, other))

    async def fire_at(self, deadline: datetime, side: Callable[[], Awaitable[One]]) -> One:
        """Let the side go ``lead`` before the deadline, which is the other one."""
        return await _after((deadline - datetime.now(UTC)).total_seconds() - self._jittered(), side)

    def note(self, *, first_came: bool) -> None:
        """Learn who came first."""
        turned = self.first_came not in {None, first_came}
        self.stride = max(_FINEST, self.stride / 2) if turned else min(_COARSEST, self.stride * 2)
        self.first_came = first_came
        self.lead += -self.stride if first_came else self.stride

    def _jittered(self) -> float:
        return self.lead + random.uniform(-_JITTER, _JITTER)


async def _after(seconds: float, side: Callable[[], Awaitable[One]]) -> One:
    await asyncio.sleep(max(0.0, seconds))
    return await side()
