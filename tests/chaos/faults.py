"""What goes wrong, drawn from a seed, and how each is brought about and taken back."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

from tests.adapters.standins import Mood
from tests.chaos import chaos_sql
from tests.chaos.stack import Stack


class Kind(StrEnum):
    """The kinds of faults, as the table calls them."""

    KILL = "kill -9"
    SUSPEND = "SIGSTOP"
    CUT = "connection to PostgreSQL cut"
    END_CONNECTIONS = "connections ended by PostgreSQL"
    READ_ONLY = "read-only"
    DISK_FULL = "disk full"
    SLOW = "silent"
    BUSY = "429"
    BROKEN = "500"
    DEAF = "takes it and drops the answer"
    CLOCK = "clock set wrong"


MOODS = {Kind.SLOW: Mood.SLOW, Kind.BUSY: Mood.BUSY, Kind.BROKEN: Mood.BROKEN, Kind.DEAF: Mood.DEAF}
_LENGTHS = {Kind.KILL: (0.0, 2.0), Kind.END_CONNECTIONS: (0.0, 0.0), Kind.CLOCK: (0.0, 0.0)}
_OTHER_LENGTHS = (1.0, 4.0)
_PAUSES = (0.3, 2.5)
_CLOCKS = (-120, -60, 60, 120)


@dataclass(frozen=True)
class Fault:
    """One fault: of which kind, of what, for how long, and how long after it the next one comes."""

    kind: Kind
    target: str
    seconds: float = 0.0
    pause: float = 0.0
    clock: int = 0


@dataclass(frozen=True)
class Happened:
    """A fault that was brought about, from when until when (seconds since 1970)."""

    fault: Fault
    at: float
    until: float


def menu(own: Sequence[str]) -> list[tuple[Kind, str]]:
    """Return every fault there is, for these workers and API processes."""
    servers = ["temporal", "postgres"]
    return [
        *((Kind.KILL, name) for name in [*own, *servers, *servers]),
        *((Kind.SUSPEND, name) for name in [*own, *servers]),
        *((Kind.CUT, name) for name in own),
        *((kind, "postgres") for kind in (Kind.END_CONNECTIONS, Kind.READ_ONLY, Kind.DISK_FULL)),
        *((kind, provider) for kind in MOODS for provider in ("twilio", "sendgrid")),
        *((Kind.CLOCK, name) for name in own),
    ]


def draw(chance: random.Random, own: Sequence[str], *, count: int) -> list[Fault]:
    """Return so many faults: each there is before any comes again, in an order of chance."""
    drawn: list[Fault] = []
    while len(drawn) < count:
        deck = menu(own)
        chance.shuffle(deck)
        drawn += [_fault(chance, kind, target) for kind, target in deck]
    return drawn[:count]


def _fault(chance: random.Random, kind: Kind, target: str) -> Fault:
    return Fault(
        kind,
        target,
        seconds=chance.uniform(*_LENGTHS.get(kind, _OTHER_LENGTHS)),
        pause=chance.uniform(*_PAUSES),
        clock=chance.choice(_CLOCKS) if kind is Kind.CLOCK else 0,
    )


async def strike(stack: Stack, faults: Sequence[Fault]) -> list[Happened]:
    """Bring the faults about, one after another."""
    happened = []
    for fault in faults:
        at = time.time()
        async with _brought_about(stack, fault):
            await asyncio.sleep(fault.seconds)
        happened.append(Happened(fault, at, time.time()))
        await asyncio.sleep(fault.pause)
    return happened


def length_of(faults: Sequence[Fault]) -> float:
    """Return about how many seconds it takes to bring them about."""
    return sum(fault.seconds + fault.pause + 0.3 for fault in faults)


@asynccontextmanager
async def _brought_about(stack: Stack, fault: Fault) -> AsyncIterator[None]:
    if fault.kind in MOODS:
        stack.providers[fault.target].mood = MOODS[fault.kind]
        yield
        stack.providers[fault.target].mood = Mood.GOOD
    elif fault.kind is Kind.CUT:
        await stack.proxies[fault.target].cut()
        yield
        await stack.proxies[fault.target].mend()
    elif fault.kind in _STATEMENTS:
        await asyncio.to_thread(stack.execute, *_STATEMENTS[fault.kind])
        yield
        await asyncio.to_thread(stack.execute, *chaos_sql.HEAL)
    else:
        part = stack.parts[fault.target]
        for _ in _ended_or_stopped(stack, fault):
            yield
        if fault.kind is not Kind.SUSPEND:
            await asyncio.to_thread(part.start)


def _ended_or_stopped(stack: Stack, fault: Fault) -> Iterator[None]:
    part = stack.parts[fault.target]
    if fault.kind is Kind.SUSPEND:
        part.suspend()
        yield
        part.resume()
        return
    part.kill()
    # A process that was killed comes back with the right clock, unless that is the fault.
    stack.clocks[fault.target] = fault.clock
    yield


_STATEMENTS = {
    Kind.END_CONNECTIONS: chaos_sql.END_CONNECTIONS,
    Kind.READ_ONLY: chaos_sql.READ_ONLY,
    Kind.DISK_FULL: chaos_sql.DISK_FULL,
}
