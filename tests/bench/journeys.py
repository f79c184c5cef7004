"""The measurement side by side: (a), (b) and (c) in turn, round by round, on one stack."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import httpx
import psycopg
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from countersign.local.tcp_ports import free_port
from tests.bench.clocks import Laps, Measured, measure
from tests.bench.customers import Customers
from tests.bench.engine import Engine, sent_on
from tests.bench.providers import Inbox, providers
from tests.bench.stack import Stack, running_stack
from tests.chaos.town import Person, settle

KINDS = ("a", "b", "c")
_FLOWS = {1: 20, 20: 160, 100: 300}
_ACTION = re.compile(r'^action\{action_type="(\w+)",namespace="default".* ([0-9.e+]+)$', re.MULTILINE)
Flow = Callable[[], Awaitable[Laps]]


@dataclass
class Bench:
    """A stack, and who goes through flows on it."""

    stack: Stack
    inbox: Inbox
    engine: Engine
    customers: Customers

    def flow(self, kind: str) -> Flow:
        """Return one flow of a kind."""
        return {"a": self.engine.messages, "b": self.engine.commands, "c": self.customers.create_api_key}[kind]

    async def run(self, into: Measured, kind: str, *, flows: int, at_once: int) -> None:
        """Run one round."""
        await measure(into, self.flow(kind), flows=flows, at_once=at_once, cpu=self.stack.cpu_seconds)

    def actions(self) -> Counter[str]:
        """Return how many billable actions of each type the server has counted."""
        text = httpx.get(f"http://127.0.0.1:{self.stack.temporal.metrics_port}/metrics", timeout=10).text
        counted: Counter[str] = Counter()
        for name, count in _ACTION.findall(text):
            counted[name] += int(float(count))
        return counted

    def sizes(self) -> dict[str, int]:
        """Return rows inserted, and bytes, of our database; and the bytes of Temporal's."""
        with psycopg.connect(self.stack.postgres.owner_url, autocommit=True) as connection:
            connection.execute("SELECT pg_stat_force_next_flush()")
            rows = connection.execute(
                "SELECT sum(n_tup_ins)::bigint, pg_database_size(current_database()) FROM pg_stat_user_tables"
            ).fetchone()
        files = [Path(f"{self.stack.temporal.database}{end}") for end in ("", "-wal")]
        temporal = sum(file.stat().st_size for file in files if file.exists())
        return {"rows": rows[0], "bytes": rows[1], "temporal bytes": temporal} if rows else {}


@dataclass
class Results:
    """All figures: by concurrency and kind, and per flow."""

    measured: dict[tuple[int, str], Measured] = field(default_factory=dict)
    actions: dict[str, dict[str, float]] = field(default_factory=dict)
    sizes: dict[str, float] = field(default_factory=dict)
    events: dict[str, Counter[str]] = field(default_factory=dict)
    workers: dict[int, Measured] = field(default_factory=dict)
    sent_again: int = 0


@asynccontextmanager
async def bench(folder: Path, *, people: int = 600, floor: bool = True) -> AsyncIterator[Bench]:
    """Run a stack with customers for the length of a block."""
    inbox, datagrams = Inbox(), free_port()
    async with providers(inbox, free_port()) as url, sent_on(datagrams) as sent:
        opened = running_stack(folder, providers_url=url)
        stack = await asyncio.to_thread(opened.__enter__)
        try:
            if floor:
                stack.add("floor", "-m", "tests.bench.floor_worker", str(datagrams))
            free: asyncio.Queue[Person] = asyncio.Queue()
            for household in await settle(stack, households=people, alone=True):
                free.put_nowait(household.owners[0])
            connector = aiohttp.TCPConnector(limit=0)
            client = await Client.connect(stack.temporal.address)
            async with aiohttp.ClientSession(stack.api_url, connector=connector) as http:
                yield Bench(stack, inbox, Engine(client, sent), Customers(http, inbox, free))
        finally:
            await asyncio.to_thread(opened.__exit__, None, None, None)


async def side_by_side(folder: Path, *, rounds: int, concurrency: tuple[int, ...]) -> Results:
    """Measure all kinds at every concurrency, in turn, and what a flow leaves behind."""
    results = Results()
    async with bench(folder) as running:
        for kind in KINDS:
            await running.run(Measured(), kind, flows=40, at_once=4)
        for at_once in concurrency:
            for _ in range(rounds):
                for kind in KINDS:
                    into = results.measured.setdefault((at_once, kind), Measured())
                    await running.run(into, kind, flows=_FLOWS.get(at_once, 8 * at_once), at_once=at_once)
        await _per_flow(running, results)
        await _one_and_two_workers(running, results, rounds=rounds)
        results.sent_again = len(running.customers.sent_again)
    return results


async def _one_and_two_workers(running: Bench, results: Results, *, rounds: int) -> None:
    """Measure (c) with a second worker process beside the first, and without, in turn."""
    for _ in range(rounds):
        for count in (1, 2):
            if count == 2:
                running.stack.add("worker-2", "-m", "countersign", "worker")
                await asyncio.sleep(5)
            into = results.workers.setdefault(count, Measured())
            await running.run(into, "c", flows=_FLOWS[20], at_once=20)
        running.stack.remove("worker-2")


async def _per_flow(running: Bench, results: Results) -> None:
    """Count what so many flows cost, one after another, with time between them for what follows a flow."""
    flows = 40
    for kind in KINDS:
        await asyncio.sleep(2)
        actions, sizes = running.actions(), running.sizes()
        await running.run(Measured(), kind, flows=flows, at_once=1)
        await asyncio.sleep(2)
        spent = running.actions() - actions
        results.actions[kind] = {name: count / flows for name, count in sorted(spent.items())}
        if kind == "c":
            after = running.sizes()
            results.sizes = {name: (after[name] - sizes[name]) / flows for name in sizes}
    results.events["b"] = await _events(running.engine.client, running.engine.done[-1])
    results.events["c"] = await _events(running.engine.client, await _newest_creation(running))


async def _newest_creation(running: Bench) -> str:
    async for each in running.engine.client.list_workflows("WorkflowType = 'create-api-key'", limit=1):
        return each.id
    raise RuntimeError("there is no creation")


async def _events(client: Client, workflow_id: str) -> Counter[str]:
    history = await client.get_workflow_handle(workflow_id).fetch_history()
    return Counter(EventType.Name(each.event_type).removeprefix("EVENT_TYPE_") for each in history.events)
