"""The stack under measurement: durable PostgreSQL, Temporal on a file, workers and API processes, each a process."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from countersign.adapters.keyring import new_key_ring_json
from countersign.local.files import write_private
from countersign.local.issuer import Issuer, load_or_make_issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.local.programs import Program
from countersign.local.tcp_ports import free_port
from countersign.local.temporal_server import EmbeddedTemporal
from countersign.storage.migrate import migrate
from tests.chaos.stack import Part
from tests.support.production import ROOT, Service

_PATIENCE_SECONDS = 90
# People who wait, wait for the whole of a measurement.
_RULES = {"TWO_FACTOR_IDLE": "PT12H", "SECRET_UNACKNOWLEDGED": "PT12H", "CODE_LIFETIME": "PT2H"}
_SERVERS = ("postgres", "temporal")


@dataclass
class Stack:
    """Its parts by name; ``api_ports`` of the API processes."""

    folder: Path
    postgres: EmbeddedPostgres
    temporal: EmbeddedTemporal
    issuer: Issuer
    twilio_url: str
    sendgrid_url: str
    parts: dict[str, Part] = field(default_factory=dict)
    api_ports: dict[str, int] = field(default_factory=dict)

    @property
    def key_ring_file(self) -> Path:
        """Where the keys are."""
        return self.folder / "key-ring.json"

    @property
    def api_url(self) -> str:
        """Where the first API process answers."""
        return f"http://127.0.0.1:{next(iter(self.api_ports.values()))}"

    def add(self, name: str, *command: str) -> None:
        """Start a process of the product, or another Python module, with the settings of the service."""
        if name.startswith("api"):
            self.api_ports[name] = free_port()
        environment = {**self._service.environment(), "COUNTERSIGN_API_PORT": str(self.api_ports.get(name, 0))}
        program = Program(name=name, command=(sys.executable, *command), environment=environment, folder=ROOT)
        self.parts[name] = Part(name, self.folder / f"{name}.log", lambda: program)
        self.parts[name].start()

    def remove(self, name: str) -> None:
        """Stop a process."""
        self.parts.pop(name).stop()
        self.api_ports.pop(name, None)

    def until_ready(self) -> None:
        """Return once every API process finds database, Temporal and workers well."""
        for port in self.api_ports.values():
            _until_ready(f"http://127.0.0.1:{port}/readyz")

    def cpu_seconds(self) -> dict[str, float]:
        """Return what every process has used so far, this one as ``driver``."""
        used = {name: _cpu_seconds(part.pid) for name, part in self.parts.items()}
        return {**used, "driver": _cpu_seconds(os.getpid(), family=False)}

    def resident_bytes(self) -> dict[str, int]:
        """Return the memory of every process that is no other's too."""
        return {name: _resident_bytes(part.pid) for name, part in self.parts.items()}

    @property
    def _service(self) -> Service:
        return Service(
            database_url=self.postgres.app_socket_url,
            temporal_address=self.temporal.address,
            key_ring_file=self.key_ring_file,
            jwks_file=self.issuer.jwks_file,
            twilio_url=self.twilio_url,
            sendgrid_url=self.sendgrid_url,
            rules=_RULES,
        )


@contextmanager
def running_stack(folder: Path, *, providers_url: str) -> Iterator[Stack]:
    """Run a stack for the length of a block, and leave nothing of it but its folder."""
    postgres = EmbeddedPostgres(folder, free_port())
    temporal = EmbeddedTemporal(port=free_port(), metrics_port=free_port(), database=folder / "temporal.db")
    postgres.prepare()
    stack = Stack(folder, postgres, temporal, load_or_make_issuer(folder), providers_url, providers_url)
    write_private(stack.key_ring_file, new_key_ring_json())
    with ExitStack() as closing:
        closing.callback(postgres.wipe)
        closing.callback(_stop, stack)
        _start_servers(stack)
        stack.add("worker-1", "-m", "countersign", "worker")
        stack.add("api-1", "-m", "countersign", "api")
        stack.until_ready()
        yield stack


def _start_servers(stack: Stack) -> None:
    for name, make in (("postgres", stack.postgres.program), ("temporal", stack.temporal.program)):
        stack.parts[name] = Part(name, stack.folder / f"{name}.log", make)
        stack.parts[name].start()
    _until(stack.postgres.is_ready, what="PostgreSQL")
    stack.postgres.ensure_database()
    migrate(stack.postgres.owner_url)
    stack.postgres.grant_application()


def _stop(stack: Stack) -> None:
    own = [name for name in stack.parts if name not in _SERVERS]
    for name in (*own, *reversed(_SERVERS)):
        if name in stack.parts:
            stack.parts[name].stop()


def _until_ready(url: str) -> None:
    def is_ready() -> bool:
        try:
            return set(httpx.get(url, timeout=5).json().values()) == {"up"}
        except (httpx.TransportError, ValueError):
            return False

    _until(is_ready, what="the stack")


def _until(fits: Callable[[], bool], *, what: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not fits():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not become ready")
        time.sleep(0.05)


def _cpu_seconds(pid: int, *, family: bool = True) -> float:
    used = 0.0
    for each in _family(pid) if family else [psutil.Process(pid)]:
        with suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            # Children that ended are counted with their parent.
            used += times.user + times.system + times.children_user + times.children_system
    return used


def _resident_bytes(pid: int) -> int:
    size = 0
    for each in _family(pid):
        # PostgreSQL's own helpers come and go.
        with suppress(psutil.NoSuchProcess):
            size += int(each.memory_full_info().uss)
    return size


def _family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]
