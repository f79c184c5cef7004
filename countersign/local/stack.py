"""The local stack: everything that `countersign up` brings up, in order, and takes down again."""

import asyncio
import http.client
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from countersign.adapters.keyring import derive_ring, load_ring_text, new_key_ring_json
from countersign.adapters.ring_file import replace_ring_file
from countersign.local.data_folder import hold_data_folder, wipe
from countersign.local.demo import seed
from countersign.local.environment import ENVIRONMENT_NAME, LOCAL_BUILD, stack_variables
from countersign.local.errors import StackError, StopRequested
from countersign.local.files import write_environment, write_private
from countersign.local.issuer import load_or_make_issuer
from countersign.local.leftovers import end_remembered
from countersign.local.postgres import EmbeddedPostgres
from countersign.local.programs import Program
from countersign.local.supervisor import LEDGER_NAME, Supervisor
from countersign.local.tcp_ports import LOOPBACK, Ports, require_free
from countersign.local.temporal_server import EmbeddedTemporal, prepare_namespace, temporal_command
from countersign.local.voice import Voice
from countersign.local.welcome import Addresses, welcome
from countersign.settings import Settings, read_settings
from countersign.storage.migrate import migrate
from countersign.verification.purposes import VERIFIER_PURPOSES
from countersign.wiring import API_PURPOSES, WORKER_PURPOSES, frontend, held_purposes, version_changes

_READY_SECONDS = 60.0
_WORKER_GRACE_SECONDS = 15.0
_PURPOSES = {"api": API_PURPOSES, "worker": WORKER_PURPOSES, "verifier": VERIFIER_PURPOSES}


@dataclass(frozen=True)
class StackOptions:
    """What the person who starts a stack may choose."""

    data: Path
    ports: Ports
    fresh: bool = False


def run_stack(options: StackOptions, voice: Voice) -> None:
    """Run a stack until someone asks it to stop; StackError when it cannot run, with nothing left running."""
    if os.environ.get("COUNTERSIGN_MODE", "local") != "local":
        raise StackError("this is the local stack, and COUNTERSIGN_MODE says otherwise: unset it")
    os.umask(0o077)  # Temporal's database holds names and addresses, and would be made readable to all
    with hold_data_folder(options.data) as data:
        if end_remembered(data / LEDGER_NAME):
            voice.say("Ended what an earlier stack had left running")
        with Supervisor(data, say=voice.say).listening() as supervisor:
            try:
                _Stack(data, options, supervisor, voice).run()
            except StopRequested:
                voice.say("Stopping")
        voice.say("Stopped")


class _Stack:
    """One run; external servers are those that DATABASE_URL and TEMPORAL_ADDRESS name."""

    def __init__(self, data: Path, options: StackOptions, supervisor: Supervisor, voice: Voice) -> None:
        self._data = data
        self._ports = options.ports
        self._fresh = options.fresh
        self._supervisor = supervisor
        self._voice = voice
        self._began_at = time.monotonic()
        outside = read_settings()
        self._external_database = outside.database_url.get_secret_value()
        self._migration_database = outside.migration_database_url.get_secret_value() or self._external_database
        self._external_temporal = _named("TEMPORAL_ADDRESS", "COUNTERSIGN_TEMPORAL_ADDRESS")
        self._postgres = None if self._external_database else EmbeddedPostgres(data, self._ports.postgres)
        self._temporal = None if self._external_temporal else self._embedded_temporal()

    def run(self) -> None:
        """Bring everything up, say where it is, and keep it running."""
        require_free(self._wanted_ports())
        if self._fresh:
            self._empty()
        self._start_temporal()
        self._start_postgres()
        self._guarded("bringing the database up to date", self._migrate)
        self._write_environment()
        self._guarded("making the demo accounts", lambda: asyncio.run(seed(Settings())))
        self._voice.say("Demo accounts are there")
        self._await_temporal()
        self._start_own("worker", grace_seconds=_WORKER_GRACE_SECONDS)
        self._start_own("api")
        self._start_own("verifier", DATABASE_URL=self._verifier_database())
        self._supervisor.wait_until(lambda: _is_ready(self._ports.api), what="api", seconds=_READY_SECONDS)
        self._supervisor.wait_until(lambda: _is_ready(self._ports.verifier), what="verifier", seconds=_READY_SECONDS)
        self._guarded("making the worker's build current", lambda: asyncio.run(self._make_current()))
        self._voice.show(welcome(self._addresses(), seconds=time.monotonic() - self._began_at))
        self._supervisor.watch()
        raise StopRequested

    def _wanted_ports(self) -> dict[str, tuple[int, str]]:
        wanted = {
            "the API": (self._ports.api, "--api-port"),
            "the verifier": (self._ports.verifier, "--verifier-port"),
        }
        if self._ports.worker:
            wanted["the worker"] = (self._ports.worker, "--worker-port")
        if self._temporal:
            wanted["Temporal"] = (self._ports.temporal, "--temporal-port")
            wanted["the Temporal UI"] = (self._ports.temporal_ui, "--ui-port")
        if self._postgres:
            wanted["PostgreSQL"] = (self._ports.postgres, "--postgres-port")
        return wanted

    def _empty(self) -> None:
        if self._postgres:
            self._postgres.wipe()
        else:
            self._voice.say("The database that DATABASE_URL names keeps its data")
        wipe(self._data)
        (self._data / "logs").mkdir(mode=0o700)
        self._voice.say("Emptied the data folder")

    def _embedded_temporal(self) -> EmbeddedTemporal:
        temporal_command()  # missing, it is told before anything is started
        return EmbeddedTemporal(
            port=self._ports.temporal,
            ui_port=self._ports.temporal_ui,
            database=self._data / "temporal.db",
            codec_endpoint=f"http://{LOOPBACK}:{self._ports.api}/codec",
        )

    def _start_temporal(self) -> None:
        if self._temporal:
            self._voice.say("Starting Temporal")
            self._supervisor.start(self._temporal.program())

    def _start_postgres(self) -> None:
        if self._postgres is None:
            return
        self._voice.say("Starting PostgreSQL")
        self._postgres.prepare()
        self._supervisor.start(self._postgres.program())
        self._supervisor.wait_until(self._postgres.is_ready, what="postgres", seconds=_READY_SECONDS)
        self._guarded("making the database", self._postgres.ensure_database)
        self._migration_database = self._postgres.owner_url

    def _migrate(self) -> None:
        migrate(self._migration_database)
        if self._postgres:
            self._postgres.grant_application()
        self._voice.say("The database is up to date")

    def _await_temporal(self) -> None:
        if self._temporal:
            self._supervisor.wait_until(self._temporal.is_ready, what="temporal", seconds=_READY_SECONDS)
        asyncio.run(prepare_namespace(frontend(Settings())))
        self._voice.say("Temporal is ready")

    async def _make_current(self) -> None:
        settings = Settings()
        client = await frontend(settings).connect_without_keys()
        await version_changes(client, settings, identity="countersign up").make_current(LOCAL_BUILD)

    def _write_environment(self) -> None:
        key_ring_file = self._data / "key-ring.json"
        if not key_ring_file.exists():
            write_private(key_ring_file, new_key_ring_json())
        jwks_file = load_or_make_issuer(self._data).jwks_file
        variables = stack_variables(
            data=self._data, ports=self._ports, key_ring_file=key_ring_file, jwks_file=jwks_file
        )
        variables["DATABASE_URL"] = self._postgres.app_socket_url if self._postgres else self._external_database
        variables["COUNTERSIGN_MIGRATION_DATABASE_URL"] = self._migration_database
        variables.setdefault("COUNTERSIGN_TEMPORAL_UI_URL", self._addresses().temporal_ui)
        variables["TEMPORAL_ADDRESS"] = self._temporal.address if self._temporal else self._external_temporal
        write_environment(self._data / ENVIRONMENT_NAME, variables)
        os.environ.update(variables)
        self._derive_rings(Settings())

    def _derive_rings(self, settings: Settings) -> None:
        # Beside the ring of masters, which the commands of ops work with, lies one for each process: no process is
        # given more keys than it needs.
        masters = load_ring_text(json_text=settings.key_ring.get_secret_value(), file=settings.key_ring_file)
        for name, purposes in _PURPOSES.items():
            replace_ring_file(self._ring_of(name), derive_ring(masters, held_purposes(purposes)).dump())

    def _ring_of(self, name: str) -> Path:
        return self._data / f"key-ring-{name}.json"

    def _verifier_database(self) -> str:
        return self._postgres.verifier_socket_url if self._postgres else self._external_database

    def _start_own(self, name: str, *, grace_seconds: float = 10.0, **more: str) -> None:
        self._voice.say(f"Starting the {name}")
        kept = {variable: value for variable, value in os.environ.items() if variable != "COUNTERSIGN_KEY_RING"}
        self._supervisor.start(
            Program(
                name=name,
                command=(sys.executable, "-m", "countersign", name),
                environment={
                    **kept,
                    "COUNTERSIGN_KEY_RING_FILE": str(self._ring_of(name)),
                    "PYTHONUNBUFFERED": "1",
                    **more,
                },
                grace_seconds=grace_seconds,
            )
        )

    def _guarded(self, doing: str, step: Callable[[], None]) -> None:
        log = self._data / "logs" / "stack.log"
        try:
            step()
        except StackError:
            raise
        except Exception as error:
            write_private(log, traceback.format_exc())
            raise StackError(f"{doing} failed ({type(error).__name__}); see {log}") from error

    def _addresses(self) -> Addresses:
        return Addresses(
            api=f"http://{LOOPBACK}:{self._ports.api}",
            worker=f"http://{LOOPBACK}:{self._ports.worker}" if self._ports.worker else "",
            verifier=f"http://{LOOPBACK}:{self._ports.verifier}",
            temporal=self._temporal.address if self._temporal else self._external_temporal,
            temporal_ui=f"http://{LOOPBACK}:{self._ports.temporal_ui}" if self._temporal else "",
            postgres=self._postgres.address if self._postgres else "the one that DATABASE_URL names",
            data=self._data,
        )


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
    with suppress(OSError, http.client.HTTPException, ValueError, AttributeError):
        connection.request("GET", "/readyz")
        return set(json.loads(connection.getresponse().read()).values()) == {"up"}
    return False


def _named(*variables: str) -> str:
    return next((value for name in variables if (value := os.environ.get(name))), "")
