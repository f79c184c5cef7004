"""One run: people, faults, and what is found afterwards."""

import asyncio
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.chaos.calling import Switchboard
from tests.chaos.checking import Finding, check
from tests.chaos.evidence import Evidence, gather, settled
from tests.chaos.faults import Fault, draw, length_of, strike
from tests.chaos.lives import Life, Plan
from tests.chaos.stack import Stack, running_stack
from tests.chaos.town import Household, settle

_JOURNEYS_OF_ONE = 3
_SETTLE_SECONDS = 120
_BEFORE_THE_FIRST_SECONDS = 1


@dataclass(frozen=True)
class Options:
    """What a run is made of; the same seed draws the same people, plans and faults."""

    journeys: int
    faults: int
    seed: int
    apis: int = 2
    workers: int = 2
    at_once: int = 24
    broken: str = ""
    plan: Plan | None = None  # everyone's, instead of one that is drawn
    sms_only: bool = False  # an authenticator shows a new code every 30 seconds only
    chosen: Sequence[Fault] | None = None
    settle_seconds: float = _SETTLE_SECONDS
    keep: Path | None = None


@dataclass
class Run:
    """What came of it."""

    options: Options
    evidence: Evidence
    seconds: float
    findings: list[Finding] = field(default_factory=list)


async def run(options: Options) -> Run:
    """Run, and check."""
    began_at = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        data = options.keep or Path(folder, "stack")
        async with running_stack(data, apis=options.apis, workers=options.workers, broken=options.broken) as stack:
            evidence = await _under_fire(stack, options)
    return Run(options, evidence, time.monotonic() - began_at, check(evidence))


async def _under_fire(stack: Stack, options: Options) -> Evidence:
    chance = random.Random(options.seed)
    faults = options.chosen if options.chosen is not None else draw(chance, stack.own, count=options.faults)
    people = -(-options.journeys // _JOURNEYS_OF_ONE)
    households = await settle(stack, households=-(-people // 2), sms_only=options.sms_only)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
    async with httpx.AsyncClient(limits=limits) as http:
        board = Switchboard(stack.api_ports, http)
        everybody = [_life(stack, board, options, households, number) for number in range(people)]
        lives = asyncio.create_task(_lives(everybody, options, seconds=length_of(faults)))
        await asyncio.sleep(_BEFORE_THE_FIRST_SECONDS)
        happened = await strike(stack, faults)
        await stack.heal()
        await lives
    await settled(stack, seconds=options.settle_seconds)
    return await gather(stack, calls=board.calls, happened=happened)


def _life(stack: Stack, board: Switchboard, options: Options, households: Sequence[Household], number: int) -> Life:
    household = households[number // 2]
    return Life(
        person=household.owners[number % 2],
        household=household,
        stack=stack,
        board=board,
        chance=random.Random(f"{options.seed}/{number}"),
        fix=_takes_fix(number),
        same_plan=options.plan,
    )


async def _lives(everybody: Sequence[Life], options: Options, *, seconds: float) -> None:
    """Let people come and go for about so many seconds, each with up to three journeys."""
    doors = asyncio.Semaphore(options.at_once)
    left = options.journeys

    async def live(life: Life, journeys: int) -> None:
        await asyncio.sleep(life.chance.uniform(0, 0.8 * seconds))
        async with doors:
            await life.live(journeys)

    async with asyncio.TaskGroup() as group:
        for life in everybody:
            journeys = min(_JOURNEYS_OF_ONE, left)
            left -= journeys
            group.create_task(live(life, journeys))


def _takes_fix(number: int) -> bool:
    # One person of a household at most: they see each other's credentials.
    household, place = divmod(number, 2)
    return household % 2 == place and household % 3 < 2
