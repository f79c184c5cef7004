"""Work done in forks of this process, a few at a time, so that nothing it does is there afterwards."""

import os
import pickle
import select
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NoReturn, TypeVar

Task = TypeVar("Task")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class TimedOut:
    """The fork was ended by its alarm."""


@dataclass(frozen=True)
class Broke:
    """The work itself failed, which says nothing about the mutant."""

    trace: str


def in_forks(
    tasks: Iterable[Task], work: Callable[[Task], Answer], *, parallel: int
) -> Iterator[tuple[Task, Answer | TimedOut]]:
    """Yield each task with its answer, as they come; raises ``RuntimeError`` when a fork broke."""
    waiting, running = iter(tasks), dict[int, tuple[Task, int]]()
    while True:
        while len(running) < parallel and (task := next(waiting, None)) is not None:
            reader, pid = _fork(task, work)
            running[reader] = task, pid
        if not running:
            return
        for reader in select.select(list(running), [], [])[0]:
            task, pid = running.pop(reader)
            yield task, _answer(reader, pid)


def end_after(seconds: float) -> None:
    """Let this process be ended by the system, whatever it is doing then."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _fork(task: Task, work: Callable[[Task], Answer]) -> tuple[int, int]:
    reader, writer = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _work(task, work, writer)
    # Closed before the next fork, which would otherwise hold this one's pipe open.
    os.close(writer)
    return reader, pid


def _work(task: Task, work: Callable[[Task], Answer], writer: int) -> NoReturn:
    try:
        answer: Answer | Broke = work(task)
    except BaseException:  # noqa: BLE001 - whatever it is, the parent is told
        answer = Broke(traceback.format_exc())
    # Whatever happens, a fork never goes on as if it were its parent.
    try:
        with os.fdopen(writer, "wb") as pipe:
            pickle.dump(answer, pipe)
    finally:
        os._exit(0)


def _answer(reader: int, pid: int) -> Answer | TimedOut:
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read()
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
        return TimedOut()
    answer: Answer | Broke = pickle.loads(told) if told else Broke(f"A fork ended with status {status}.")  # noqa: S301 - our own fork
    if isinstance(answer, Broke):
        raise RuntimeError(answer.trace)  # noqa: TRY004 - not a matter of types
    return answer
