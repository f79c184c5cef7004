"""What reading costs in a house with 20,000 open requests: ``python -m tests.bench.reads [--seconds 3]``.

Runs PostgreSQL and one API process, without Temporal: reads need neither it nor a worker.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from api.pages.visitors import cookie_name
from countersign.adapters.keyring import KeyRing, new_key_ring_json
from countersign.effects.key_fitness import register
from countersign.local.files import write_private
from countersign.local.issuer import Issuer, load_or_make_issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.local.postgres_roles import DATABASE
from countersign.local.programs import Program
from countersign.local.tcp_ports import free_port
from countersign.settings import Settings
from countersign.storage.database import Database
from tests.support.crowd import SESSION_OF_FIRST_MANAGER, SESSION_OF_FIRST_OWNER, Crowd, identity
from tests.support.databases import OwnDatabase, migrated_postgres
from tests.support.production import Service

AT_ONCE = (1, 20)
_AUDIENCE = "countersign"
_REQUEST_OF_FIRST_ACCOUNT = 200
_PATIENCE_SECONDS = 30
_KEY_RING = "key-ring.json"
_DURATION = "countersign_http_request_duration_seconds"


class Read(NamedTuple):
    """Something that is read: how it is called, its route's template, its path, and who asks."""

    name: str
    route: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Figure:
    """What reading came to, with so many asking at once; times in milliseconds."""

    name: str
    at_once: int
    median: float
    p99: float
    per_second: float
    at_server: float

    def row(self) -> str:
        """Return the figure as a line of a Markdown table."""
        times = f"{self.median:.1f} | {self.p99:.1f} | {self.at_server:.1f}"
        return f"| {self.name} | {self.at_once} | {times} | {self.per_second:.0f} |"


HEAD = """| what is read | at once | p50 ms | p99 ms | mean at the server, ms | answers/s |
|---|---:|---:|---:|---:|---:|"""


def reads(issuer: Issuer) -> list[Read]:
    """Return what is measured in a house that ``Crowd`` filled."""
    owner = _bearer(issuer, "user", account=str(identity("account", 1)))
    manager = _bearer(issuer, "manager")
    owners_page, managers_page = _cookie(SESSION_OF_FIRST_OWNER), _cookie(SESSION_OF_FIRST_MANAGER)
    request_id = identity("request", _REQUEST_OF_FIRST_ACCOUNT)
    queue, console = "/v1/account-manager/queue", "/account-manager"
    return [
        Read("one request", "/v1/requests/{request_id}", f"/v1/requests/{request_id}", owner),
        Read("an account's 100 API keys", "/v1/api-keys", "/v1/api-keys", owner),
        Read("an account's newest 100 requests", "/v1/requests", "/v1/requests", owner),
        Read("the queue, 200 of 10,000 waiting", queue, queue, manager),
        Read("the queue, 500 of 10,000 waiting", queue, f"{queue}?limit=500", manager),
        Read("the page of 100 API keys", "/settings/api-keys", "/settings/api-keys", owners_page),
        Read("the account manager's page, 200 of 10,000", console, console, managers_page),
        Read("what an open page asks", "/live", "/live", managers_page),
    ]


async def measure(url: str, read: Read, *, at_once: int, seconds: float) -> Figure:
    """Ask for ``seconds``, ``at_once`` at a time, and return what it came to; raises for any answer but a good one."""
    connector = aiohttp.TCPConnector(limit=at_once)
    async with aiohttp.ClientSession(url, connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http:
        await _ask_until(http, read, end=time.monotonic() + seconds / 10)
        before = await _spent(http, read.route)
        began = time.monotonic()
        told = await asyncio.gather(*(_ask_until(http, read, end=began + seconds) for _ in range(at_once)))
        took = time.monotonic() - began
        after = await _spent(http, read.route)
    times = sorted(each for per_caller in told for each in per_caller)
    return Figure(
        name=read.name,
        at_once=at_once,
        median=1000 * statistics.median(times),
        p99=1000 * times[int(len(times) * 0.99)],
        per_second=len(times) / took,
        at_server=1000 * (after.seconds - before.seconds) / (after.answers - before.answers),
    )


async def measure_all(url: str, issuer: Issuer, *, seconds: float, repeats: int) -> AsyncIterator[Figure]:
    """Yield a figure for each read and number of callers: the best of ``repeats``, for the machine may have others."""
    for read in reads(issuer):
        for at_once in AT_ONCE:
            figures = [await measure(url, read, at_once=at_once, seconds=seconds) for _ in range(repeats)]
            yield min(figures, key=lambda figure: figure.median)


class _Spent(NamedTuple):
    answers: float
    seconds: float


async def _spent(http: aiohttp.ClientSession, route: str) -> _Spent:
    """Return how many GETs of the route the server has answered, and how long it took for all of them."""
    async with http.get("/metrics") as answer:
        families = {each.name: each for each in text_string_to_metric_families(await answer.text())}
    samples = families[_DURATION].samples
    mine = {each.name: each.value for each in samples if each.labels["route"] == route}
    return _Spent(mine[f"{_DURATION}_count"], mine[f"{_DURATION}_sum"])


async def _ask_until(http: aiohttp.ClientSession, read: Read, *, end: float) -> list[float]:
    times = []
    while (began := time.monotonic()) < end:
        async with http.get(read.path, headers=read.headers) as answer:
            answer.raise_for_status()
            await answer.read()
        times.append(time.monotonic() - began)
    return times


def _bearer(issuer: Issuer, kind: str, *, account: str | None = None) -> dict[str, str]:
    token = issuer.mint(subject=str(identity(kind, 1)), audience=_AUDIENCE, account=account)
    return {"Authorization": f"Bearer {token}"}


def _cookie(token: str) -> dict[str, str]:
    return {"Cookie": f"{cookie_name(Settings(public_url='https://countersign.example'))}={token}"}


async def fill(server: EmbeddedPostgres, crowd: Crowd, *, folder: Path) -> None:
    """Make a ring, let the database know it, so that the crowd's key counts as an old one, and fill the database."""
    ring = new_key_ring_json()
    write_private(folder / _KEY_RING, ring)
    database = Database(server.app_url, pool_size=1)
    await database.open()
    async with database.transaction() as connection:
        await register(connection, KeyRing.from_json(ring))
    await database.close()
    await asyncio.to_thread(crowd.fill, OwnDatabase(DATABASE, server).superuser_url)


@asynccontextmanager
async def running_api(server: EmbeddedPostgres, issuer: Issuer, *, folder: Path) -> AsyncIterator[str]:
    """Run one API process of a production service, with no quotas, and lend its address."""
    port, nobody = free_port(), f"127.0.0.1:{free_port()}"
    service = Service(
        database_url=server.app_url,
        temporal_address=nobody,
        key_ring_file=folder / _KEY_RING,
        jwks_file=issuer.jwks_file,
        twilio_url=f"http://{nobody}",
        sendgrid_url=f"http://{nobody}",
        rules={},
    )
    environment = {**service.environment(), "COUNTERSIGN_API_PORT": str(port)}
    program = Program("api", (sys.executable, "-m", "countersign", "api"), environment)
    process = await asyncio.to_thread(program.start, folder / "api.log")
    try:
        url = f"http://127.0.0.1:{port}"
        await _until_it_answers(url)
        yield url
    finally:
        await asyncio.to_thread(program.stop, process)


async def _until_it_answers(url: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    async with aiohttp.ClientSession(url) as http:
        while True:
            try:
                async with http.get("/healthz") as answer:
                    answer.raise_for_status()
                    return
            except aiohttp.ClientError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)


async def _run(arguments: argparse.Namespace, folder: Path) -> list[Figure]:
    issuer = load_or_make_issuer(folder)
    crowd = Crowd(accounts=4_000, ended=arguments.ended)
    with migrated_postgres(folder / "postgres", free_port()) as server:
        await fill(server, crowd, folder=folder)
        async with running_api(server, issuer, folder=folder) as url:
            told = measure_all(url, issuer, seconds=arguments.seconds, repeats=arguments.repeats)
            return [figure async for figure in told]


def table(figures: Iterable[Figure]) -> str:
    """Return the figures as a Markdown table."""
    return "\n".join([HEAD, *(figure.row() for figure in figures)])


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.reads", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="for so long each read is asked for, each time")
    parser.add_argument("--repeats", type=int, default=3, help="so many times, of which the best counts")
    parser.add_argument("--ended", type=int, default=200_000, help="so many requests have ended")
    with tempfile.TemporaryDirectory(prefix="countersign-reads-") as folder:
        figures = asyncio.run(_run(parser.parse_args(), Path(folder)))
    sys.stdout.write(f"{table(figures)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
