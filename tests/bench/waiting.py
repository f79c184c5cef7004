"""Waiting at scale: what so many requests parked at the code step cost, and how fast one of them goes on."""

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from tests.bench.clocks import Laps, Measured, measure
from tests.bench.customers import Visit, challenge
from tests.bench.journeys import Bench, bench
from tests.bench.stack import Stack
from tests.chaos.town import Person
from tests.support.patience import eventually

_AT_ONCE = 20
_PER_PERSON = 50
_IDLE, _CAUGHT = 40, 5


@dataclass
class Parked:
    """A request that waits for its code."""

    person: Person
    id: str
    code: str


@dataclass
class Waiting:
    """The figures; seconds unless they say otherwise."""

    parked: int = 0
    began_per_second: float = 0.0
    memory: dict[str, int] = field(default_factory=dict)
    memory_before: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, float] = field(default_factory=dict)
    list_page: list[float] = field(default_factory=list)
    effect: list[float] = field(default_factory=list)
    ready_after_restart: float = 0.0
    first_effect_after_restart: float = 0.0
    caught: list[float] = field(default_factory=list)
    memory_at_the_end: dict[str, int] = field(default_factory=dict)


async def wait_at_scale(folder: Path, *, requests: int) -> Waiting:
    """Park so many requests, and measure."""
    figures = Waiting(parked=requests)
    async with bench(folder, people=-(-requests // _PER_PERSON), floor=False) as running:
        figures.memory_before, before = running.stack.resident_bytes(), running.sizes()
        parked = await _park(running, figures, requests)
        await asyncio.sleep(10)
        after = running.sizes()
        figures.memory = running.stack.resident_bytes()
        figures.sizes = {name: (after[name] - before[name]) / requests for name in after}
        random.shuffle(parked)
        figures.list_page = [await _timed(_list(running, parked.pop().person)) for _ in range(_IDLE)]
        figures.effect = [await _timed(_enter(running, parked.pop())) for _ in range(_IDLE)]
        await _restart_between(running, figures, parked.pop())
        figures.caught = [await _caught(running, parked.pop()) for _ in range(_CAUGHT)]
        figures.memory_at_the_end = running.stack.resident_bytes()
    return figures


async def _park(running: Bench, figures: Waiting, requests: int) -> list[Parked]:
    parked: list[Parked] = []

    async def begin() -> Laps:
        person = await running.customers.free.get()
        visit = Visit(running.customers, person)
        request = await visit.post(
            "/v1/api-keys", {"name": secrets.token_hex(8), "permissions": ["trade"], "ip_whitelist": ""}
        )
        parked.append(Parked(person, request["id"], await running.inbox.code(person.phone)))
        running.customers.free.put_nowait(person)
        return Laps()

    measured = Measured()
    await measure(measured, begin, flows=requests, at_once=_AT_ONCE, cpu=running.stack.cpu_seconds)
    figures.began_per_second = measured.rate
    return parked


async def _enter(running: Bench, parked: Parked) -> dict[str, Any]:
    body = {"code": parked.code, "reveal_challenge": challenge("v" * 43)}
    return await Visit(running.customers, parked.person).post(f"/v1/requests/{parked.id}/two-factor-code", body)


async def _list(running: Bench, person: Person) -> None:
    await Visit(running.customers, person).get("/v1/requests?open=true")


async def _restart_between(running: Bench, figures: Waiting, parked: Parked) -> None:
    """Kill the worker, start it again, and enter a code until it is taken."""
    running.stack.parts["worker-1"].kill()
    await asyncio.sleep(3)
    began = time.perf_counter()
    running.stack.parts["worker-1"].start()
    await _enter(running, parked)
    figures.first_effect_after_restart = time.perf_counter() - began
    await asyncio.to_thread(running.stack.until_ready)
    figures.ready_after_restart = time.perf_counter() - began


async def _caught(running: Bench, parked: Parked) -> float:
    """Kill the worker while it carries out a step, start it again, and return how long after that the step was done."""
    stack, account = running.stack, parked.person.account_id
    # Whoever carries out the step waits for the account's lock, and can be met there.
    async with (
        await psycopg.AsyncConnection.connect(stack.postgres.owner_url, autocommit=True) as connection,
        connection.transaction(),
    ):
        await connection.execute("SELECT FROM accounts WHERE id = %s FOR UPDATE", (account,))
        asked = asyncio.create_task(_enter(running, parked))
        await eventually(partial(_somebody_waits, stack))
        stack.parts["worker-1"].kill()
    began = time.perf_counter()
    stack.parts["worker-1"].start()
    await asked
    return time.perf_counter() - began


async def _somebody_waits(stack: Stack) -> bool:
    async with await psycopg.AsyncConnection.connect(stack.postgres.superuser_url) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        row = await (await connection.execute(query)).fetchone()
        return bool(row and row[0])


async def _timed(call: Awaitable[object]) -> float:
    began = time.perf_counter()
    await call
    return time.perf_counter() - began


def waiting_report(figures: Waiting) -> str:
    """Return the figures in Markdown."""
    lines = [
        f"| with {figures.parked:,} requests at the code step | |",
        "|---|--:|",
        *(f"| {name} | {told} |" for name, told in _told(figures).items()),
    ]
    return "\n".join(lines)


def _told(figures: Waiting) -> dict[str, str]:
    caught = sorted(figures.caught)
    return {
        "begun, each with its SMS": f"{figures.began_per_second:.0f} per second",
        "memory of the worker": _memory(figures, "worker-1"),
        "memory of the API process": _memory(figures, "api-1"),
        "memory of Temporal": _memory(figures, "temporal"),
        "memory of PostgreSQL": _memory(figures, "postgres"),
        "disk of Temporal, per request": f"{figures.sizes['temporal bytes'] / 1000:.1f} kB",
        "disk of PostgreSQL, per request": f"{figures.sizes['bytes'] / 1000:.1f} kB",
        f"the list of an account's {_PER_PERSON} open requests": _pair(figures.list_page),
        "from a code to its effect on an idle request, answer included": _pair(figures.effect),
        "kill -9, new worker: its first effect on an idle request": f"{figures.first_effect_after_restart:.1f} s",
        "kill -9, new worker: ready": f"{figures.ready_after_restart:.1f} s",
        f"kill -9 in the middle of a step, new worker: the step's effect ({len(caught)} times)": (
            f"{median(caught):.1f} s (median), {caught[-1]:.1f} s (longest)"
        ),
    }


def _memory(figures: Waiting, name: str) -> str:
    before, then, end = (
        f"{each[name] / 2**20:.0f}" for each in (figures.memory_before, figures.memory, figures.memory_at_the_end)
    )
    return f"{before} MiB before, {then} then, {end} in the end"


def _pair(seconds: list[float]) -> str:
    return f"{1000 * median(seconds):.0f} ms (median), {1000 * max(seconds):.0f} ms (longest)"
