"""The stack under fire: each part a process of its own that can be killed, stopped and started again."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import psycopg
from pydantic import SecretStr

from countersign.adapters.keyring import new_key_ring_json
from countersign.local.files import write_private
from countersign.local.issuer import Issuer, load_or_make_issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.local.programs import Program, kill
from countersign.local.tcp_ports import free_port
from countersign.local.temporal_server import EmbeddedTemporal
from countersign.settings import Settings
from countersign.storage.migrate import migrate
from tests.adapters.standins import SendGridStandIn, StandIn, TwilioStandIn
from tests.chaos import chaos_sql
from tests.support.production import ROOT, Service
from tests.support.proxy import Proxy

_PATIENCE_SECONDS = 90
_RULES = {
    "CODE_LIFETIME": "PT150S",
    "RESEND_AFTER": "PT2S",
    "TWO_FACTOR_IDLE": "PT5M",
    "SECRET_UNACKNOWLEDGED": "PT5M",
    "REVEAL_REPEATABLE": "PT20S",
    "ACTIVATION_UNCONFIRMED": "PT8M",
    "FIRST_REMINDER": "PT5S",
    "SECOND_REMINDER": "PT15S",
}


@dataclass
class Part:
    """One process, by the name that faults call it."""

    name: str
    log: Path
    make: Callable[[], Program]
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def pid(self) -> int:
        assert self.process is not None, f"{self.name} was not started"
        return self.process.pid

    def start(self) -> None:
        self.process = self.make().start(self.log)

    def kill(self) -> None:
        if self.process is not None:
            kill(self.process)

    def suspend(self) -> None:
        for each in self._family():
            with suppress(psutil.NoSuchProcess):
                each.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        for each in self._family():
            with suppress(psutil.NoSuchProcess):
                each.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self.process is not None:
            self.resume()
            self.make().stop(self.process)

    def _family(self) -> list[psutil.Process]:
        if self.process is None:
            return []
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self.process.pid)
            return [parent, *parent.children(recursive=True)]
        return []


@dataclass
class Stack:
    """PostgreSQL, Temporal, workers and API processes on one folder, and the stand-ins of the providers."""

    folder: Path
    postgres: EmbeddedPostgres
    temporal: EmbeddedTemporal
    issuer: Issuer
    twilio: TwilioStandIn
    sendgrid: SendGridStandIn
    broken: str = ""
    parts: dict[str, Part] = field(default_factory=dict)
    proxies: dict[str, Proxy] = field(default_factory=dict)
    api_ports: dict[str, int] = field(default_factory=dict)
    clocks: dict[str, int] = field(default_factory=dict)

    @property
    def providers(self) -> dict[str, StandIn]:
        return {"twilio": self.twilio, "sendgrid": self.sendgrid}

    @property
    def key_ring_file(self) -> Path:
        return self.folder / "key-ring.json"

    @property
    def own(self) -> list[str]:
        """The names of the workers and API processes."""
        return [name for name in self.parts if name not in {"postgres", "temporal"}]

    @property
    def settings(self) -> Settings:
        """What a command of ops would run with."""
        return Settings(
            database_url=SecretStr(self.postgres.app_url),
            temporal_address=self.temporal.address,
            key_ring_file=self.key_ring_file,
        )

    def environment(self, *, database_url: str) -> dict[str, str]:
        """Return the settings of a production service whose providers are the stand-ins."""
        service = Service(
            database_url=database_url,
            temporal_address=self.temporal.address,
            key_ring_file=self.key_ring_file,
            jwks_file=self.issuer.jwks_file,
            twilio_url=self.twilio.url,
            sendgrid_url=self.sendgrid.url,
            rules=_RULES,
        )
        return {**service.environment(), "CHAOS_BREAK": self.broken}

    def execute(self, *statements: str) -> None:
        """Run statements as the superuser, as soon as PostgreSQL answers."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                with psycopg.connect(self.postgres.superuser_url, autocommit=True, connect_timeout=3) as connection:
                    for statement in statements:
                        connection.execute(statement.encode())
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    async def heal(self) -> None:
        """Take every fault back: each part runs, with the right clock, and nothing stands between them."""
        for stand_in in self.providers.values():
            stand_in.mood = type(stand_in.mood).GOOD
        for name, proxy in self.proxies.items():
            if proxy._server is None:
                await proxy.mend()
            if self.clocks.pop(name, 0):
                self.parts[name].kill()
        for part in self.parts.values():
            part.resume()
            if part.process is None or part.process.poll() is not None:
                await asyncio.to_thread(part.start)
        await asyncio.to_thread(self.execute, *chaos_sql.HEAL)
        await self.until_ready()

    async def until_ready(self) -> None:
        """Return once every API process finds database, Temporal and workers well."""
        async with httpx.AsyncClient(timeout=5) as http:
            for port in self.api_ports.values():
                await _until(lambda port=port: _is_ready(http, port))  # type: ignore[misc]


@asynccontextmanager
async def running_stack(folder: Path, *, apis: int, workers: int, broken: str = "") -> AsyncIterator[Stack]:
    """Run a stack for the length of a block, and leave nothing of it."""
    with _servers(folder, broken) as stack:
        async with AsyncExitStack() as proxies:
            names = [f"worker-{n + 1}" for n in range(workers)] + [f"api-{n + 1}" for n in range(apis)]
            for name in names:
                stack.proxies[name] = await proxies.enter_async_context(Proxy.to(stack.postgres.port))
                _add_own(stack, name)
            for name in names:
                stack.parts[name].start()
            try:
                await stack.until_ready()
                yield stack
            finally:
                for name in names:
                    stack.parts[name].kill()


@contextmanager
def _servers(folder: Path, broken: str) -> Iterator[Stack]:
    folder.mkdir(exist_ok=True)
    postgres = EmbeddedPostgres(folder, free_port())
    temporal = EmbeddedTemporal(port=free_port(), database=folder / "temporal.db")
    issuer = load_or_make_issuer(folder)
    postgres.prepare()
    with TwilioStandIn.running() as twilio, SendGridStandIn.running() as sendgrid:
        stack = Stack(folder, postgres, temporal, issuer, twilio, sendgrid, broken)
        write_private(stack.key_ring_file, new_key_ring_json())
        for name, make in (("postgres", postgres.program), ("temporal", temporal.program)):
            stack.parts[name] = Part(name, folder / f"{name}.log", make)
        try:
            for part in list(stack.parts.values()):
                part.start()
            _prepare(stack)
            yield stack
        finally:
            stack.parts["temporal"].stop()
            stack.parts["postgres"].stop()
            postgres.wipe()


def _prepare(stack: Stack) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not stack.postgres.is_ready():
        assert time.monotonic() < deadline, "PostgreSQL did not start"
        time.sleep(0.05)
    stack.postgres.ensure_database()
    migrate(stack.postgres.owner_url)
    stack.postgres.grant_application()
    with psycopg.connect(stack.postgres.owner_url, autocommit=True) as connection:
        for statement in chaos_sql.PREPARE:
            connection.execute(statement.encode())


def _add_own(stack: Stack, name: str) -> None:
    if name.startswith("api"):
        stack.api_ports[name] = free_port()
    proxied = stack.postgres.app_url.replace(f":{stack.postgres.port}/", f":{stack.proxies[name].port}/")

    def make() -> Program:
        environment = stack.environment(database_url=proxied)
        environment["CHAOS_CLOCK_SECONDS"] = str(stack.clocks.get(name, 0))
        environment["COUNTERSIGN_API_PORT"] = str(stack.api_ports.get(name, 0))
        command = (sys.executable, "-m", "tests.chaos.process", name.partition("-")[0])
        return Program(name=name, command=command, environment=environment, folder=ROOT)

    stack.parts[name] = Part(name, stack.folder / f"{name}.log", make)


async def _is_ready(http: httpx.AsyncClient, port: int) -> bool:
    with suppress(httpx.TransportError, ValueError):
        answer = await http.get(f"http://127.0.0.1:{port}/readyz")
        return set(answer.json().values()) == {"up"}
    return False


async def _until(fits: Callable[[], object]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not await fits():  # type: ignore[misc]
        assert time.monotonic() < deadline, "the stack did not become ready"
        await asyncio.sleep(0.1)
