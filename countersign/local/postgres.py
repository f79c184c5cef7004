"""An embedded PostgreSQL: one server on loopback, run as a plain child process, its data kept between starts."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import psycopg

from countersign.local.errors import StackError
from countersign.local.files import PRIVATE_FILE, PRIVATE_FOLDER, write_private
from countersign.local.leftovers import end_processes_in
from countersign.local.postgres_home import PostgresHome, postgres_home
from countersign.local.postgres_roles import (
    APP_LOGIN,
    DATABASE,
    OWNER,
    SUPERUSER,
    VERIFIER_LOGIN,
    ensure_database,
    grant_application,
)
from countersign.local.programs import Program, last_line
from countersign.local.tcp_ports import LOOPBACK

_START_SECONDS = 60
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "shared_buffers": "64MB",
    "max_connections": "100",
    "max_wal_size": "256MB",
    "io_method": "sync",
    "jit": "off",
    "huge_pages": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    # A failed statement or the row it names may hold what must not be in a log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
# What a socket's address holds at most (sun_path), less one for its end.
_LONGEST_SOCKET_PATH = 107
# In the list that unix_socket_directories is, these would need quoting.
_SEPARATORS = frozenset(',"\\')
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres:
    """The server whose passwords stand in ``data`` and which listens on ``port`` of loopback.

    ``durable=False`` is for tests: a crash loses the last commits, and `running` removes the databases at its end.
    """

    def __init__(self, data: Path, port: int, *, durable: bool = True) -> None:
        self._data = data.absolute()
        self.port = port
        self._durable = durable
        self._home: PostgresHome = postgres_home(self._data)
        self._passwords: dict[str, str] = {}

    @property
    def superuser_url(self) -> str:
        """The URL of the superuser, in the database `postgres`."""
        return self._url(SUPERUSER, "postgres")

    @property
    def owner_url(self) -> str:
        """The URL of the role that owns the database and runs the migrations."""
        return self._url(OWNER, DATABASE)

    @property
    def app_url(self) -> str:
        """The URL of the role the application uses."""
        return self._url(APP_LOGIN, DATABASE)

    @property
    def verifier_url(self) -> str:
        """The URL of the role that verifiers use."""
        return self._url(VERIFIER_LOGIN, DATABASE)

    @property
    def app_socket_url(self) -> str:
        """The same through a socket, which takes less time than loopback; `app_url` where its path is too long."""
        return self._socket_url(APP_LOGIN)

    @property
    def verifier_socket_url(self) -> str:
        """The verifiers' role through a socket, where that is possible."""
        return self._socket_url(VERIFIER_LOGIN)

    @property
    def address(self) -> str:
        """The URL of the database without a user or a password, to be shown."""
        return f"postgresql://{LOOPBACK}:{self.port}/{DATABASE}"

    @property
    def log(self) -> Path:
        """The file that `running` sends the server's output to."""
        return self._data / "postgres.log"

    def prepare(self) -> None:
        """Make passwords and an empty cluster where there is none yet; StackError when it cannot be made."""
        self._data.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        if not self._password_file.exists():
            # A cluster whose data folder was deleted: its passwords, and the keys to what it holds, are gone.
            self.wipe()
            write_private(self._password_file, json.dumps({}))
        self._passwords = self._kept_passwords()
        self._home.make()
        if not self._home.cluster.exists():
            self._make_cluster()

    def program(self) -> Program:
        """Return the server as a program to be started."""
        settings = {"port": str(self.port), "unix_socket_directories": self._socket_folder, **_SETTINGS}
        settings |= {} if self._durable else _NOT_DURABLE
        options = (word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
        return Program(
            name="postgres",
            command=(str(self._home.bin / "postgres"), "-D", str(self._home.cluster), *options),
            environment=_environment(),
            folder=self._home.folder,
            user=self._home.user,
            stop_signal=signal.SIGINT,  # "fast": open connections are ended, nothing is lost
            before_start=self._clear,
        )

    def is_ready(self) -> bool:
        """Tell whether the server answers; after a crash it recovers first."""
        with suppress(psycopg.OperationalError), psycopg.connect(self.superuser_url, connect_timeout=2):
            return True
        return False

    def ensure_database(self) -> None:
        """Make the database and its roles where they are missing; the server must be ready."""
        ensure_database(self.superuser_url, passwords=self._passwords)

    def grant_application(self) -> None:
        """Give `app_url` and `verifier_url` the rights that the migrations granted to their groups."""
        grant_application(self.owner_url)

    def wipe(self) -> None:
        """Remove the databases and the passwords; ends a server that still runs on them."""
        end_processes_in(self._home.cluster, name="postgres")
        self._home.remove()
        self._password_file.unlink(missing_ok=True)

    @contextmanager
    def running(self) -> Iterator["EmbeddedPostgres"]:
        """Run the server with its database and roles for the length of a block."""
        self.prepare()
        program = self.program()
        process = program.start(self.log)
        try:
            self._wait(process)
            self.ensure_database()
            yield self
        finally:
            program.stop(process)
            if not self._durable:
                self.wipe()

    @property
    def _socket_folder(self) -> str:
        # Never a shared folder: whoever may write there could take the socket's place.
        folder = self._home.folder
        is_short = len(os.fsencode(folder / f".s.PGSQL.{self.port}")) <= _LONGEST_SOCKET_PATH
        return str(folder) if is_short and not set(str(folder)) & _SEPARATORS else ""

    @property
    def _password_file(self) -> Path:
        return self._data / "postgres.json"

    def _kept_passwords(self) -> dict[str, str]:
        kept: dict[str, str] = json.loads(self._password_file.read_text())
        # A cluster of an older release has no passwords for the roles that came since.
        passwords = {role: kept.get(role) or secrets.token_urlsafe(24) for role in _ROLES}
        if passwords != kept:
            write_private(self._password_file, json.dumps(passwords))
        return passwords

    def _socket_url(self, role: str) -> str:
        folder = self._socket_folder
        if not folder:
            return self._url(role, DATABASE)
        return f"postgresql://{role}:{self._passwords[role]}@/{DATABASE}?host={quote(folder)}&port={self.port}"

    def _url(self, role: str, database: str) -> str:
        return f"postgresql://{role}:{self._passwords[role]}@{LOOPBACK}:{self.port}/{database}"

    def _wait(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not self.is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise StackError(f"PostgreSQL did not start: {last_line(self.log)}")
            time.sleep(0.05)

    def _clear(self) -> None:
        # After a kill -9 its workers may live on for a moment, and its process id may be another's by now.
        end_processes_in(self._home.cluster, name="postgres")
        (self._home.cluster / "postmaster.pid").unlink(missing_ok=True)

    def _make_cluster(self) -> None:
        # Made beside its place and then renamed: what an interrupted initdb leaves is never taken for a cluster.
        for stale in self._home.folder.glob("making-*"):
            shutil.rmtree(stale)
        folder = Path(tempfile.mkdtemp(dir=self._home.folder, prefix="making-"))
        password_file = folder / "password"
        password_file.touch(mode=PRIVATE_FILE)
        password_file.write_text(self._passwords[SUPERUSER])
        if self._home.user:
            for path in (folder, password_file):
                os.chown(path, self._home.user.uid, self._home.user.gid)
        self._initdb(folder / "cluster", password_file)
        (folder / "cluster").rename(self._home.cluster)
        shutil.rmtree(folder)

    def _initdb(self, cluster: Path, password_file: Path) -> None:
        user = self._home.user
        result = subprocess.run(
            (
                str(self._home.bin / "initdb"), "-D", str(cluster), "-U", SUPERUSER, f"--pwfile={password_file}",
                "--auth-host=scram-sha-256", "--auth-local=scram-sha-256", "--encoding=UTF8", "--locale=C",
                "--data-checksums", *(() if self._durable else ("--no-sync",)),
            ),
            env=_environment(),
            cwd=self._home.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
            user=user.uid if user else None,
            group=user.gid if user else None,
            extra_groups=[] if user else None,
        )  # fmt: skip
        if result.returncode != 0:
            raise StackError(f"PostgreSQL's initdb failed: {' '.join(result.stderr.split())[-300:]}")


_ROLES = (SUPERUSER, OWNER, APP_LOGIN, VERIFIER_LOGIN)


def _environment() -> dict[str, str]:
    # Only this: PG* variables of the caller would change what the server and initdb do.
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
