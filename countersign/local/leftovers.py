"""Processes that a killed stack left behind: remembered by id and time of birth, and ended at the next start."""

import json
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from countersign.local.files import write_private

_GRACE_SECONDS = 10
_SAME_BIRTH_SECONDS = 2  # the clock that a time of birth is reckoned from may have been set meanwhile


def remember(file: Path, pids: Iterable[int]) -> None:
    """Write down which processes run now."""
    born: dict[str, float] = {}
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            born[str(pid)] = psutil.Process(pid).create_time()
    write_private(file, json.dumps(born))


def end_remembered(file: Path) -> int:
    """End the processes in ``file`` that still live, and return how many those were."""
    born = _read(file)
    found = [process for pid, birth in born.items() if (process := _find(int(pid), birth))]
    _end([*found, *(child for process in found for child in _children(process))])
    file.unlink(missing_ok=True)
    return len(found)


def end_processes_in(folder: Path, *, name: str) -> None:
    """End the processes called ``name`` whose working directory is ``folder``."""
    if folder.exists():
        _end([process for process in psutil.process_iter(["name"]) if _works_in(process, folder, name)])


def _read(file: Path) -> dict[str, float]:
    with suppress(FileNotFoundError, ValueError):
        content = json.loads(file.read_text())
        return content if isinstance(content, dict) else {}
    return {}


def _find(pid: int, birth: float) -> psutil.Process | None:
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if abs(process.create_time() - birth) < _SAME_BIRTH_SECONDS:
            return process
    return None


def _children(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return process.children(recursive=True)
    return []


def _works_in(process: psutil.Process, folder: Path, name: str) -> bool:
    with suppress(psutil.Error, OSError):
        return process.name() == name and folder.samefile(process.cwd())
    return False


def _end(processes: list[psutil.Process]) -> None:
    # SIGINT: PostgreSQL would wait for its clients on SIGTERM.
    _send(processes, signal.SIGINT)
    _, alive = psutil.wait_procs(processes, timeout=_GRACE_SECONDS)
    _send(alive, signal.SIGKILL)
    psutil.wait_procs(alive, timeout=_GRACE_SECONDS)


def _send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(number)
