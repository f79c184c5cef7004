"""Programs the local stack runs: how each is started, stopped, and found again after a crash."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from countersign.local.files import PRIVATE_FILE

_LARGE_LOG_BYTES = 10_000_000


@dataclass(frozen=True)
class SystemUser:
    """An operating-system user to run a program as."""

    uid: int
    gid: int


def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Program:
    """One program: its command, and how it wants to be treated."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    folder: Path | None = None
    user: SystemUser | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 10.0
    before_start: Callable[[], None] = _nothing

    def start(self, log: Path) -> "subprocess.Popen[bytes]":
        """Start it in a session of its own, so that Ctrl-C does not reach it; its output goes to ``log``."""
        self.before_start()
        _put_aside_large(log)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
        try:
            return subprocess.Popen(
                self.command,
                env=dict(self.environment),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                start_new_session=True,
                user=self.user.uid if self.user else None,
                group=self.user.gid if self.user else None,
                extra_groups=[] if self.user else None,
            )
        finally:
            os.close(descriptor)

    def stop(self, process: "subprocess.Popen[bytes]") -> None:
        """End ``process``: politely first, and after the grace without asking."""
        if process.poll() is None:
            process.send_signal(self.stop_signal)
            with suppress(subprocess.TimeoutExpired):
                process.wait(self.grace_seconds)
        kill(process)


def kill(process: "subprocess.Popen[bytes]") -> None:
    """End ``process`` and what it started at once."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def how_it_ended(returncode: int) -> str:
    """Return the end of a process in words."""
    if returncode >= 0:
        return f"exit code {returncode}"
    return f"killed by {signal.Signals(-returncode).name}"


def last_line(log: Path) -> str:
    """Return the last line of ``log``, or nothing."""
    with suppress(OSError), log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 4_096))
        lines = file.read().decode("utf-8", "replace").split("\n")
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")
    return ""


def _put_aside_large(log: Path) -> None:
    with suppress(FileNotFoundError):
        if log.stat().st_size > _LARGE_LOG_BYTES:
            log.replace(log.with_name(f"{log.name}.1"))
