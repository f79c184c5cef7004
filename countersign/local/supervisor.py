"""Keeps the programs of the local stack running, and stops them all when it is told to."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from countersign.local.errors import StackError, StopRequested
from countersign.local.leftovers import remember
from countersign.local.programs import Program, how_it_ended, kill, last_line

LEDGER_NAME = "processes.json"
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOK_SECONDS = 0.05
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0
_STEADY_SECONDS = 30.0
_DOUBLE_PRESS_SECONDS = 0.5


@dataclass
class _Child:
    program: Program
    log: Path
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    pause: float = _FIRST_PAUSE_SECONDS
    restart_at: float = 0.0


class Supervisor:
    """Runs programs for the stack on the folder ``data``; all times are those of the monotonic clock, in seconds."""

    def __init__(self, data: Path, *, say: Callable[[str], None]) -> None:
        self._ledger = data / LEDGER_NAME
        self._logs = data / "logs"
        self._say = say
        self._children: list[_Child] = []
        # A plain flag: an Event's lock may be held by the very thread that the signal interrupts.
        self._stopping = False
        self._stop_seen_at = 0.0

    @contextmanager
    def listening(self) -> Iterator["Supervisor"]:
        """Take SIGINT, SIGTERM and SIGHUP as the wish to stop; at the end of the block every program is stopped."""
        before = {number: signal.signal(number, self._on_signal) for number in _STOP_SIGNALS}
        self._logs.mkdir(mode=0o700, exist_ok=True)
        try:
            yield self
        finally:
            self._stop_all()
            for number, handler in before.items():
                signal.signal(number, handler)

    def log_of(self, program: Program) -> Path:
        """Return the file that the output of ``program`` goes to."""
        return self._logs / f"{program.name}.log"

    def start(self, program: Program) -> None:
        """Start ``program`` and keep it running until the end; StackError when it cannot be started at all."""
        self._raise_if_stopped()
        child = _Child(program, self.log_of(program))
        try:
            self._spawn(child)
        except OSError as error:
            raise StackError(f"{program.name} cannot be started: {error.strerror}") from error
        self._children.append(child)
        self._remember()

    def wait_until(self, ready: Callable[[], bool], *, what: str, seconds: float) -> None:
        """Wait for ``ready``, restarting what dies meanwhile; StackError naming ``what`` when it takes too long."""
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline:
                raise StackError(f"{what} did not become ready in {seconds:.0f} s{self._last_words(what)}")
            time.sleep(_LOOK_SECONDS)
            self._raise_if_stopped()
            self._tend()
        self._raise_if_stopped()

    def watch(self) -> None:
        """Keep everything running until someone asks to stop."""
        while not self._stopping:
            self._tend()
            time.sleep(_LOOK_SECONDS)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        # Some launchers pass Ctrl-C on although the terminal sent it already: one press, two signals.
        insists = self._stopping and number == signal.SIGINT
        if insists and now - self._stop_seen_at > _DOUBLE_PRESS_SECONDS:
            self._kill_all()
            os._exit(1)
        if not self._stopping:
            self._stop_seen_at = now
            self._stopping = True

    def _raise_if_stopped(self) -> None:
        if self._stopping:
            raise StopRequested

    def _spawn(self, child: _Child) -> None:
        child.process = child.program.start(child.log)
        child.started_at = time.monotonic()

    def _tend(self) -> None:
        for child in self._children:
            if child.process is None:
                self._restart_when_due(child)
            elif (returncode := child.process.poll()) is not None:
                self._note_death(child, returncode)

    def _note_death(self, child: _Child, returncode: int) -> None:
        now = time.monotonic()
        if now - child.started_at > _STEADY_SECONDS:
            child.pause = _FIRST_PAUSE_SECONDS
        child.process, child.restart_at = None, now + child.pause
        name = child.program.name
        self._say(f"{name} ended ({how_it_ended(returncode)}), starts again in {child.pause:g} s; log: {child.log}")
        child.pause = min(child.pause * 2, _LONGEST_PAUSE_SECONDS)

    def _restart_when_due(self, child: _Child) -> None:
        if time.monotonic() < child.restart_at:
            return
        try:
            self._spawn(child)
        except OSError as error:
            child.restart_at = time.monotonic() + child.pause
            self._say(f"{child.program.name} cannot be started: {error.strerror}")
            return
        self._remember()

    def _remember(self) -> None:
        remember(self._ledger, [child.process.pid for child in self._children if child.process])

    def _stop_all(self) -> None:
        for child in reversed(self._children):
            if child.process:
                child.program.stop(child.process)
        self._children.clear()
        self._ledger.unlink(missing_ok=True)

    def _kill_all(self) -> None:
        for child in self._children:
            if child.process:
                kill(child.process)
        with suppress(OSError):
            self._ledger.unlink(missing_ok=True)

    def _last_words(self, what: str) -> str:
        log = self._logs / f"{what}.log"
        words = last_line(log)
        return f"; {log} ends: {words}" if words else ""
