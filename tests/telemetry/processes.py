"""A worker process as ops run it, with a port, on a database and a way to Temporal of its own."""

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from countersign.local.tcp_ports import free_port
from countersign.settings import Settings
from tests.support.patience import eventually
from tests.support.production import Service

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "telemetry.md"


@dataclass(frozen=True)
class WorkerProcess:
    """One that runs."""

    process: "subprocess.Popen[bytes]"
    url: str
    log: Path

    async def ready(self) -> tuple[int, dict[str, str]]:
        async with httpx.AsyncClient(base_url=self.url, timeout=10) as http:
            response = await http.get("/readyz")
            return response.status_code, dict(response.json())

    async def scrape(self) -> str:
        async with httpx.AsyncClient(base_url=self.url, timeout=10) as http:
            response = await http.get("/metrics")
            assert response.status_code == 200
            assert response.headers["content-type"].startswith("text/plain")
            return response.text

    async def is_alive(self) -> bool:
        async with httpx.AsyncClient(base_url=self.url, timeout=10) as http:
            try:
                response = await http.get("/healthz")
            except httpx.TransportError:
                return False
            return (response.status_code, response.json()) == (200, {"status": "alive"})

    async def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self.process.wait, 30)


@asynccontextmanager
async def worker_process(settings: Settings, folder: Path, **more: str) -> AsyncIterator[WorkerProcess]:
    """Run a worker for the settings' database, Temporal and task queue; ``more`` is put into its environment."""
    ring = folder / "ring.json"
    ring.touch(0o600)
    ring.write_text(settings.key_ring.get_secret_value())
    port, log = free_port(), folder / "worker.log"
    assert settings.jwt_key_file
    service = Service(
        database_url=settings.database_url.get_secret_value(),
        temporal_address=settings.temporal_address,
        key_ring_file=ring,
        jwks_file=settings.jwt_key_file,
        twilio_url=settings.twilio_base_url,
        sendgrid_url=settings.sendgrid_base_url,
        rules={},
    )
    own = {"COUNTERSIGN_TASK_QUEUE": settings.task_queue, "COUNTERSIGN_WORKER_PORT": str(port)}
    environment = {**service.environment(), **own, **more}
    with log.open("wb") as output:
        command = (sys.executable, "-m", "countersign", "worker")
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    worker = WorkerProcess(process, f"http://127.0.0.1:{port}", log)
    try:
        await eventually(worker.is_alive)
        yield worker
    finally:
        process.kill()
        process.wait()


def samples_of(text: str) -> list[Sample]:
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def families(text: str) -> set[str]:
    """Return the names of all series that the exposition has, or will have once there is something to tell."""
    typed = [line.split()[2:] for line in text.splitlines() if line.startswith("# TYPE")]
    parts = {"histogram": ("_bucket", "_sum", "_count")}
    return {name + part for name, kind in typed for part in ("", *parts.get(kind, ()))}


def told_of_itself(text: str) -> set[tuple[str, str, str]]:
    """Return our metrics as the exposition describes them: name, type, and what they tell."""
    kinds = dict(re.findall(r"^# TYPE (countersign_\S+) (\S+)$", text, flags=re.MULTILINE))
    helps = dict(re.findall(r"^# HELP (countersign_\S+) (.+)$", text, flags=re.MULTILINE))
    return {(name, kind, helps[name]) for name, kind in kinds.items()}


def documented() -> set[tuple[str, str, str]]:
    """Return the same of the table in docs/telemetry.md."""
    row = re.compile(r"^\| `(countersign_\w+)` \| (\w+) \| [^|]* \| [^|]* \| (.+) \|$", flags=re.MULTILINE)
    return set(row.findall(DOCUMENT.read_text(encoding="utf-8")))


def value(samples: list[Sample], name: str, **labels: str) -> float:
    return sum(each.value for each in samples if each.name == name and labels.items() <= each.labels.items())
