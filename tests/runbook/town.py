"""A local stack with people in it, whose providers, processes and rows the scenes can trouble."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, LiteralString

import psutil
import psycopg

from countersign.local.postgres import EmbeddedPostgres
from tests.adapters.standins import SendGridStandIn, TwilioStandIn
from tests.runbook.callers import Creation
from tests.support.processes import RunningStack, running_stack, wait_until
from tests.support.production import ROOT

_ACCOUNT = {
    "COUNTERSIGN_TWILIO_ACCOUNT_SID": f"AC{'0' * 32}",
    "COUNTERSIGN_TWILIO_AUTH_TOKEN": "token",
    "COUNTERSIGN_TWILIO_FROM": "+447700900000",
    "COUNTERSIGN_SENDGRID_API_KEY": "key",
    "COUNTERSIGN_SENDGRID_FROM": "countersign@example.com",
}


@dataclass
class Town:
    """The stack and its providers, in a folder of their own."""

    folder: Path
    stack: RunningStack
    twilio: TwilioStandIn
    sendgrid: SendGridStandIn

    @property
    def places(self) -> dict[str, str]:
        """What depends on the machine, and how the runbook calls it."""
        shown = {
            "API": 8080, "WORKER": 8081, "TEMPORAL": 7233, "TEMPORAL_UI": 8233, "POSTGRES": 54321, "VERIFIER_": 8090,
        }  # fmt: skip
        addresses = {f"127.0.0.1:{port}": f"127.0.0.1:{shown[name]}" for name, port in self.stack.ports.items()}
        return {str(self.stack.data): ".countersign", str(self.folder): "/backups", str(ROOT): "…", **addresses}

    def key(self, name: str, *, permissions: tuple[str, ...] = ("trade",), user: str = "sam") -> Creation:
        """Begin the creation of an API key, and return once its code is on its way or was sent."""
        form = {"name": name, "permissions": list(permissions)}
        return self._begun("/v1/api-keys", form, user)

    def fix(self, user: str = "sam") -> Creation:
        return self._begun("/v1/fix-credentials", {"session_type": "trade"}, user)

    def _begun(self, path: str, form: Mapping[str, object], user: str) -> Creation:
        begun = self.stack.person(user).begin(path, form)
        creation = Creation(self, begun)
        begun.until(lambda shown: shown["step"] != "starting")
        return creation

    def waiting_fix(self) -> Creation:
        """Return FIX credentials that wait for their account manager."""
        return self.fix().to_choice().activate()

    def active_key(self, name: str) -> Creation:
        creation = self.key(name).to_choice().activate()
        creation.post("/activation-code", {"code": creation.mailed_code()})
        return creation

    def person_id(self, name: str) -> str:
        return self.rows("SELECT id::text FROM users WHERE email = %s", f"{name}@example.com")[0]

    def account_id(self) -> str:
        return self.rows("SELECT id::text FROM accounts WHERE name = 'Harbour Trading'")[0]

    def sms(self) -> list[str]:
        return [each.body["Body"] for each in self.twilio.confirmed]

    def mails(self) -> list[str]:
        return [each.body["content"][0]["value"] for each in self.sendgrid.confirmed]

    def rows(self, query: LiteralString, *values: object) -> list[str]:
        with psycopg.connect(self._postgres().owner_url, autocommit=True) as connection:
            return [row[0] for row in connection.execute(query, values).fetchall()]

    def change(self, *statements: LiteralString, as_superuser: bool = False) -> None:
        """Change what no command of ours would."""
        url = self._postgres().owner_url
        if as_superuser:
            url = self._postgres().superuser_url.rpartition("/")[0] + "/countersign"
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def _postgres(self) -> EmbeddedPostgres:
        server = EmbeddedPostgres(self.stack.data, self.stack.ports["POSTGRES"])
        server.prepare()
        return server

    @contextmanager
    def still(self, name: str) -> Iterator[None]:
        """Let a process and all below it stand still, as one on a machine that hangs."""
        found = self.stack.find(name)
        processes = [found, *found.children(recursive=True)]
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in reversed(processes):
                if psutil.pid_exists(process.pid):
                    process.resume()

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """Have a process killed, and nobody to start it again."""
        assert self.stack.process is not None
        supervisor = psutil.Process(self.stack.process.pid)
        killed = self.stack.find(name)
        supervisor.suspend()
        killed.kill()
        try:
            yield
        finally:
            supervisor.resume()

    @contextmanager
    def worker_of(self, build_id: str) -> Iterator[None]:
        """Run another worker, of a build that is current from then on; its end is a kill."""
        with (self.folder / "worker.log").open("wb") as log:
            worker = self._start("worker", log=log, COUNTERSIGN_BUILD_ID=build_id, COUNTERSIGN_WORKER_PORT="0")
            try:
                wait_until(lambda: self._start("versions", "promote", build_id).wait() == 0)
                yield
            finally:
                worker.kill()
                worker.wait()

    def _start(self, *words: str, log: IO[bytes] | int = subprocess.DEVNULL, **more: str) -> "subprocess.Popen[bytes]":
        environment = os.environ | {"COUNTERSIGN_DATA": str(self.stack.data)} | more
        command = (sys.executable, "-m", "countersign", *words)
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def restart(self, **more: str) -> None:
        """Stop the stack as Ctrl-C does, and start it with more settings."""
        self.stack.stop()
        self.stack.more |= more
        self.stack.start()

    def wait(self, query: LiteralString, *values: object) -> None:
        """Return once the query finds something."""
        wait_until(lambda: bool(self.rows(query, *values)))


@contextmanager
def town(folder: Path) -> Iterator[Town]:
    """Run a town in a folder."""
    with TwilioStandIn.running() as twilio, SendGridStandIn.running() as sendgrid:
        urls = {"COUNTERSIGN_TWILIO_BASE_URL": twilio.url, "COUNTERSIGN_SENDGRID_BASE_URL": sendgrid.url}
        with running_stack(folder, **_ACCOUNT, **urls) as stack:
            yield Town(folder, stack, twilio, sendgrid)
