"""The local stack as people run it: ``countersign up`` with its processes, which can be killed."""

import base64
import hashlib
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from pydantic import SecretStr

from countersign.local.environment import ENVIRONMENT_NAME
from countersign.local.files import read_environment
from countersign.local.leftovers import end_remembered
from countersign.local.postgres_home import postgres_home
from countersign.local.sign_in import demo_token
from countersign.local.supervisor import LEDGER_NAME
from countersign.local.tcp_ports import free_port
from countersign.settings import Settings

_PATIENCE_SECONDS = 60
_PER_TIME = ("CODE_SENDS_PER_HOUR", "REQUESTS_PER_HOUR", "SMS_PER_ACCOUNT_AND_DAY")
_PORTS = ("API", "TEMPORAL", "TEMPORAL_UI", "POSTGRES", "VERIFIER_")
_MARKS = {"worker": "worker", "api": "api", "verifier": "verifier", "temporal": "start-dev", "postgres": "-D"}


@dataclass
class RunningStack:
    """One data folder and the stack on it."""

    data: Path
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in _PORTS})
    process: "subprocess.Popen[bytes] | None" = None
    more: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['API']}"

    @property
    def environment(self) -> dict[str, str]:
        return read_environment(self.data / ENVIRONMENT_NAME)

    @property
    def settings(self) -> Settings:
        found = self.environment
        return Settings(
            mode="local",
            data=self.data,
            database_url=SecretStr(found["DATABASE_URL"]),
            migration_database_url=SecretStr(found["COUNTERSIGN_MIGRATION_DATABASE_URL"]),
            temporal_address=found["TEMPORAL_ADDRESS"],
            key_ring_file=Path(found["COUNTERSIGN_KEY_RING_FILE"]),
        )

    def start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")}
        environment |= {f"COUNTERSIGN_{name}_PORT": str(port) for name, port in self.ports.items()}
        environment |= {f"COUNTERSIGN_RULES__{name}": "1000" for name in _PER_TIME}
        environment |= {"COUNTERSIGN_DATA": str(self.data), **self.more}
        before = self._times_ready()
        with self._said.open("ab") as output:
            self.process = subprocess.Popen(
                (sys.executable, "-m", "countersign", "up"), env=environment, stdout=output, stderr=output
            )
        # What a killed supervisor left behind still answers: only the new one's word counts.
        wait_until(lambda: self._times_ready() > before)

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill_supervisor(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def find(self, name: str) -> psutil.Process:
        assert self.process is not None
        children = psutil.Process(self.process.pid).children()
        [found] = [child for child in children if _MARKS[name] in child.cmdline()]
        return found

    def kill(self, name: str) -> None:
        """Kill -9 the process; what it leaves is the supervisor's business."""
        wait_until(lambda: self._lives(name))
        self.find(name).kill()

    def _lives(self, name: str) -> bool:
        try:
            return self.find(name).is_running()
        except (ValueError, psutil.Error):
            return False

    def processes(self) -> list[psutil.Process]:
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    @property
    def _said(self) -> Path:
        return self.data.parent / "up.txt"

    def _times_ready(self) -> int:
        said = self._said.read_text() if self._said.exists() else ""
        assert self.process is None or self.process.poll() is None or self.process.returncode <= 0, said
        return said.count("Countersign is ready")

    def person(self, name: str) -> "DemoPerson":
        return DemoPerson(self, name)


@contextmanager
def running_stack(folder: Path, **more: str) -> Iterator[RunningStack]:
    """Run a stack on a folder; ``more`` is added to its environment."""
    stack = RunningStack(folder / "data", more=more)
    try:
        stack.start()
        yield stack
    finally:
        if stack.process is not None and stack.process.poll() is None:
            stack.stop()
        end_remembered(stack.data / LEDGER_NAME)
        postgres_home(stack.data).remove()


@dataclass
class DemoPerson:
    """A demo user who repeats whatever was not answered, with the same key."""

    stack: RunningStack
    name: str

    def token(self) -> str:
        return demo_token(self.stack.settings, self.name)

    def call(self, method: str, path: str, body: object = None) -> httpx.Response:
        token = self.token()
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": secrets.token_hex(8)}
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                response = httpx.request(method, f"{self.stack.url}{path}", json=body, headers=headers, timeout=20)
                if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    return response
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, (method, path)
            time.sleep(0.1)

    def get(self, path: str) -> Any:
        response = self.call("GET", path)
        assert response.status_code == httpx.codes.OK, response.text
        return response.json()

    def inbox(self) -> list[dict[str, Any]]:
        """Return what reached the person, newest first."""
        shown = {"sam": "+12025550123"}.get(self.name, "")
        found: list[dict[str, Any]] = self.get("/local/inbox?limit=500")
        return [each for each in found if each["to"] in {f"{self.name}@example.com", shown}]

    def begin(self, path: str, body: object) -> "Creation":
        response = self.call("POST", path, body)
        assert response.status_code == httpx.codes.ACCEPTED, response.text
        return Creation(self, response.json()["id"])


@dataclass
class Creation:
    """One request on the running stack."""

    person: DemoPerson
    id: str
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    def shown(self) -> dict[str, Any]:
        return dict(self.person.get(f"/v1/requests/{self.id}"))

    def post(self, path: str, body: object = None) -> Any:
        response = self.person.call("POST", f"/v1/requests/{self.id}{path}", body)
        assert response.status_code == httpx.codes.OK, response.text
        return response.json()

    def until(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        wait_until(lambda: fits(self.shown()))
        return self.shown()

    def code_body(self, code: str) -> dict[str, str]:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        return {"code": code, "reveal_challenge": challenge}

    def sent_code(self) -> str:
        """Return the code that was sent for the present step."""
        channel = self.until(lambda shown: shown["delivery"] == "sent")["channel"]
        messages = self.person.inbox()
        if channel == "sms":
            text = next(each["text"] for each in messages if each["channel"] == "sms")
        else:
            text = next(each["text"] for each in messages if f"/activate/{self.id}#" in each["text"])
        found = re.search(r"\b\d{6}\b", text)
        assert found
        return found[0]

    def link_token(self) -> str:
        texts = [each["text"] for each in self.person.inbox()]
        [token] = [found[1] for text in texts if (found := re.search(rf"/activate/{self.id}#([\w-]+)", text))]
        return token

    def reveal(self) -> dict[str, str]:
        return dict(self.post("/secret", {"reveal_verifier": self.verifier}))


def wait_until(condition: Callable[[], bool], *, patience: float = _PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
