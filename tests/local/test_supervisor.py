"""Real processes: a small script that supervises two others, as the stack supervises its servers."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from countersign.local.leftovers import end_remembered, remember

_STACK = """
import os, sys
from pathlib import Path
from countersign.local.data_folder import hold_data_folder
from countersign.local.errors import StackError, StopRequested
from countersign.local.leftovers import end_remembered
from countersign.local.programs import Program
from countersign.local.supervisor import Supervisor

def say(line):
    print(line, flush=True)

def ignoring(name, body):
    return Program(name=name, command=(sys.executable, "-c", body), environment=os.environ, grace_seconds=GRACE)

GRACE = float(os.environ.get("GRACE", "5"))
with hold_data_folder(Path(sys.argv[1])) as data:
    end_remembered(data / "processes.json")
    with Supervisor(data, say=say).listening() as supervisor:
        try:
            for name in ("first", "second"):
                supervisor.start(ignoring(name, os.environ["BODY"]))
            say("up")
            supervisor.watch()
        except StopRequested:
            pass
say("down")
"""
_SLEEPER = "import time; time.sleep(600)"
_STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"


class _Stack:
    def __init__(self, folder: Path, *, body: str = _SLEEPER, grace: str = "5") -> None:
        self.data = folder / "data"
        self.output = folder / "output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                (sys.executable, "-c", _STACK, str(self.data)),
                env={**os.environ, "BODY": body, "GRACE": grace},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        _until(lambda: "up" in self.said())

    def said(self) -> str:
        return self.output.read_text()

    def children(self) -> list[psutil.Process]:
        ledger = json.loads((self.data / "processes.json").read_text())
        return [psutil.Process(int(pid)) for pid in ledger if psutil.pid_exists(int(pid))]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(10)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., _Stack]]:
    stacks: list[_Stack] = []

    def begin(**options: str) -> _Stack:
        stacks.append(_Stack(tmp_path, **options))
        return stacks[-1]

    yield begin
    for stack in stacks:
        stack.process.kill()
        stack.process.wait()
    end_remembered(tmp_path / "data" / "processes.json")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_everything_and_leaves_no_process(start: Callable[..., _Stack], number: signal.Signals) -> None:
    stack = start()
    children = stack.children()
    assert len(children) == 2

    assert stack.stop(number) == 0

    assert _alive(children) == []
    assert stack.said().endswith("down\n")
    assert not (stack.data / "processes.json").exists()


def test_a_killed_child_is_started_again_and_a_line_says_so(start: Callable[..., _Stack]) -> None:
    stack = start()
    victim, other = stack.children()
    victim.kill()

    _until(lambda: len({*_alive(stack.children())} - {victim}) == 2)

    assert "first ended (killed by SIGKILL), starts again in 0.5 s" in stack.said()
    assert other in stack.children()
    assert stack.stop() == 0


def test_a_child_that_ignores_the_signal_is_killed_after_its_grace(start: Callable[..., _Stack]) -> None:
    stack = start(body=_STUBBORN, grace="0.2")
    children = stack.children()
    _until(lambda: all((stack.data / "logs" / f"{name}.log").read_text() for name in ("first", "second")))

    assert stack.stop() == 0

    assert _alive(children) == []


def test_a_second_ctrl_c_kills_hard(start: Callable[..., _Stack]) -> None:
    stack = start(body=_STUBBORN, grace="600")
    children = stack.children()
    _until(lambda: all((stack.data / "logs" / f"{name}.log").read_text() for name in ("first", "second")))
    stack.process.send_signal(signal.SIGINT)
    began = time.monotonic()
    _until(lambda: time.monotonic() - began > 0.7)  # pressed twice, not passed on twice by a launcher

    assert stack.stop(signal.SIGINT) == 1

    assert _alive(children) == []


def test_what_a_killed_supervisor_left_is_ended_at_the_next_start(start: Callable[..., _Stack]) -> None:
    killed = start()
    left = killed.children()
    killed.process.kill()
    killed.process.wait()
    assert len(_alive(left)) == 2

    stack = start()

    assert _alive(left) == []
    assert len(_alive(stack.children())) == 2


def test_a_stranger_with_the_process_id_of_a_dead_child_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen((sys.executable, "-c", _SLEEPER))
    ledger = tmp_path / "processes.json"
    try:
        remember(ledger, [stranger.pid])
        birth = json.loads(ledger.read_text())[str(stranger.pid)]
        ledger.write_text(json.dumps({str(stranger.pid): birth - 3600}))

        assert end_remembered(ledger) == 0

        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_ledger_that_was_cut_off_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "processes.json").write_text('{"12')

    assert end_remembered(tmp_path / "processes.json") == 0
