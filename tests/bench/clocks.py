"""What is measured of one flow, and of many."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median, quantiles


@dataclass
class Laps:
    """Seconds by step of one flow."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def lap(self, name: str) -> Iterator[None]:
        """Time a block."""
        began = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - began


@dataclass
class Measured:
    """Many flows of one kind at one concurrency: in how many seconds, and how long each step took."""

    flows: int = 0
    seconds: float = 0.0
    rates: list[float] = field(default_factory=list)
    steps: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    cpu: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def rate(self) -> float:
        """Flows per second, the median of the rounds."""
        return median(self.rates)

    def milliseconds(self, step: str) -> tuple[float, float]:
        """Return p50 and p99 of a step."""
        times = self.steps[step]
        p99 = quantiles(times, n=100, method="inclusive")[98] if len(times) > 1 else times[0]
        return 1000 * median(times), 1000 * p99

    @property
    def cpu_per_thousand(self) -> dict[str, float]:
        """CPU seconds per 1,000 flows by process."""
        return {name: 1000 * seconds / self.flows for name, seconds in self.cpu.items()}


async def measure(
    into: Measured,
    flow: Callable[[], Awaitable[Laps]],
    *,
    flows: int,
    at_once: int,
    cpu: Callable[[], dict[str, float]],
) -> None:
    """Run one round of flows, so many at once, and add what it took."""
    left = iter(range(flows))
    before, began = cpu(), time.perf_counter()

    async def person() -> None:
        for _ in left:
            for step, seconds in (await flow()).seconds.items():
                into.steps[step].append(seconds)

    async with asyncio.TaskGroup() as people:
        for _ in range(at_once):
            people.create_task(person())
    seconds = time.perf_counter() - began
    into.flows += flows
    into.seconds += seconds
    into.rates.append(flows / seconds)
    for name, used in cpu().items():
        into.cpu[name] += used - before.get(name, 0.0)
