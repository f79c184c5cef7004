"""What verifying a call costs beside an empty endpoint of the same server, and how soon a deactivation is heard."""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import aiohttp

from countersign.adapters.keyring import KeyRing, derive_ring
from countersign.adapters.ring_text import RingText
from countersign.effects.key_fitness import register
from countersign.gateway_client import GatewayClient
from countersign.local.files import write_private
from countersign.local.issuer import ISSUER, Issuer, load_or_make_issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.local.programs import Program
from countersign.local.tcp_ports import free_port
from countersign.storage.database import Database
from countersign.storage.migrate import migrate
from countersign.verification.purposes import VERIFIER_PURPOSES
from tests.support.customers import ApiKey, Customer, asked
from tests.support.production import ROOT

AT_ONCE = (1, 20)
_KEYS = 500
_SECONDS = 2.0
_PATIENCE_SECONDS = 30
_BATCH = 100


class Kind(NamedTuple):
    """Something that is asked again and again, ``calls`` of them in one question."""

    name: str
    path: str
    calls: int
    bodies: Callable[[Sequence[ApiKey]], list[bytes]]


@dataclass
class Measured:
    """Times of answers in seconds, of all rounds, and how long the rounds took."""

    times: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.times) / self.seconds

    def milliseconds(self, share: float) -> float:
        """Return what that share of the answers took at most."""
        return 1000 * sorted(self.times)[int(len(self.times) * share)]


def _question(calls: Sequence[dict[str, object]]) -> bytes:
    return json.dumps({"calls": calls}).encode()


def _reads(keys: Sequence[ApiKey]) -> list[bytes]:
    return [_question([key.rest()]) for key in keys]


def _orders(keys: Sequence[ApiKey]) -> list[bytes]:
    return [_question([key.order()]) for _ in range(20) for key in keys]


def _batches(keys: Sequence[ApiKey]) -> list[bytes]:
    calls = [key.rest() for key in keys]
    return [_question(calls[at : at + _BATCH]) for at in range(0, len(calls), _BATCH)]


EMPTY = Kind("an empty endpoint, with the same body", "/empty", 1, _reads)
KINDS = (
    EMPTY,
    Kind("one REST signature", "/v1/verifications", 1, _reads),
    Kind("one that changes something", "/v1/verifications", 1, _orders),
    Kind("100 REST signatures in a question", "/v1/verifications", _BATCH, _batches),
)


async def verification_report(folder: Path, *, rounds: int, trials: int) -> str:
    """Return the tables in Markdown."""
    async with _running(folder) as (url, token, customer):
        keys = [await customer.api_key() for _ in range(_KEYS)]
        parts = [_costs(at_once, await _side_by_side(url, token, keys, at_once, rounds)) for at_once in AT_ONCE]
        async with GatewayClient(url, token=token) as gateway:
            took = [await _trial(gateway, customer, keys[0]) for _ in range(trials)]
    return "\n\n".join([*parts, _soon(sorted(took))])


async def _side_by_side(url: str, token: str, keys: Sequence[ApiKey], at_once: int, rounds: int) -> dict[str, Measured]:
    found = {kind.name: Measured() for kind in KINDS}
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=at_once)
    async with aiohttp.ClientSession(url, connector=connector, headers=headers) as http:
        for _ in range(rounds):
            for kind in KINDS:
                await _measure(http, kind, keys, at_once, found[kind.name])
    return found


async def _measure(
    http: aiohttp.ClientSession, kind: Kind, keys: Sequence[ApiKey], at_once: int, into: Measured
) -> None:
    # Signed anew for each round: timestamps are good for twenty seconds.
    bodies = kind.bodies(keys)
    await _ask_until(http, kind, iter(_reads(keys)) if kind.bodies is _orders else cycle(bodies), end=_from_now(0.2))
    asking, began = iter(bodies) if kind.bodies is _orders else cycle(bodies), time.monotonic()
    told = await asyncio.gather(*(_ask_until(http, kind, asking, end=began + _SECONDS) for _ in range(at_once)))
    into.seconds += time.monotonic() - began
    into.times += [each for per_caller in told for each in per_caller]


async def _ask_until(http: aiohttp.ClientSession, kind: Kind, bodies: Iterator[bytes], *, end: float) -> list[float]:
    times = []
    for body in bodies:
        began = time.monotonic()
        if began >= end:
            break
        async with http.post(kind.path, data=body) as answer:
            answer.raise_for_status()
            told = await answer.read()
        times.append(time.monotonic() - began)
        if b'"allowed":false' in told:
            raise AssertionError(kind.name)
    return times


async def _trial(gateway: GatewayClient, customer: Customer, key: ApiKey) -> float:
    await customer.activate(key.id)
    await _until(lambda: _is_allowed(gateway, key))
    await customer.deactivate(key.id)
    began = time.monotonic()
    while await _is_allowed(gateway, key):
        pass
    return time.monotonic() - began


async def _is_allowed(gateway: GatewayClient, key: ApiKey) -> bool:
    return (await gateway.verify([asked(key.rest())]))[0].allowed


def _costs(at_once: int, found: dict[str, Measured]) -> str:
    empty = found[EMPTY.name]
    lines = [
        f"| {at_once} at once | calls/s | of the empty endpoint's | p50 ms | p99 ms |",
        "|---|--:|--:|--:|--:|",
    ]
    for kind in KINDS:
        measured = found[kind.name]
        calls = measured.rate * kind.calls
        times = f"{measured.milliseconds(0.5):.2f} | {measured.milliseconds(0.99):.2f}"
        lines.append(f"| {kind.name} | {calls:.0f} | {calls / empty.rate:.2f} | {times} |")
    return "\n".join(lines)


def _soon(took: Sequence[float]) -> str:
    median, p99, most = (1000 * each for each in (statistics.median(took), took[int(len(took) * 0.99)], took[-1]))
    return (
        f"From the commit of a deactivation to the first denial, {len(took)} times: "
        f"{median:.1f} ms (median), {p99:.1f} ms (p99), {most:.1f} ms (longest)."
    )


@asynccontextmanager
async def _running(folder: Path) -> AsyncIterator[tuple[str, str, Customer]]:
    """Run PostgreSQL, durable, and one verifier process; lend its address, a token, and a customer."""
    issuer, ring = load_or_make_issuer(folder), RingText.new()
    ring_file = folder / "key-ring-verifier.json"
    write_private(ring_file, derive_ring(ring, VERIFIER_PURPOSES).dump())
    server = EmbeddedPostgres(folder / "postgres", free_port())
    with server.running():
        migrate(server.owner_url)
        server.grant_application()
        database, keys = Database(server.app_url), KeyRing.from_json(ring.dump())
        await database.open()
        async with database.transaction() as connection:
            await register(connection, keys)
        customer = await Customer.enter(database, keys)
        async with _verifier(server, issuer, ring_file, folder) as url:
            yield url, issuer.mint(subject="bench", audience="countersign-verifier"), customer
        await database.close()
    server.wipe()


@asynccontextmanager
async def _verifier(server: EmbeddedPostgres, issuer: Issuer, ring_file: Path, folder: Path) -> AsyncIterator[str]:
    port = free_port()
    environment = {
        "PATH": "",
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": server.verifier_socket_url,
        "COUNTERSIGN_KEY_RING_FILE": str(ring_file),
        "COUNTERSIGN_JWT_ISSUER": ISSUER,
        "COUNTERSIGN_JWT_KEY_FILE": str(issuer.jwks_file),
        "COUNTERSIGN_VERIFIER__PORT": str(port),
    }
    program = Program("verifier", (sys.executable, "-m", "tests.bench.empty_endpoint"), environment, folder=ROOT)
    process = await asyncio.to_thread(program.start, folder / "verifier.log")
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
            await _until(lambda: _is_ready(http))
        yield f"http://127.0.0.1:{port}"
    finally:
        await asyncio.to_thread(program.stop, process)


async def _is_ready(http: aiohttp.ClientSession) -> bool:
    try:
        async with http.get("/readyz") as answer:
            return set((await answer.json()).values()) == {"up"}
    except aiohttp.ClientError:
        return False


async def _until(fits: Callable[[], Awaitable[bool]]) -> None:
    end = _from_now(_PATIENCE_SECONDS)
    while not await fits():
        if time.monotonic() > end:
            raise TimeoutError
        await asyncio.sleep(0.002)


def _from_now(seconds: float) -> float:
    return time.monotonic() + seconds
