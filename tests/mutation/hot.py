"""Mutants of functions, judged *hot*.

All tests are collected once and PostgreSQL runs; in a fork the code of the function is exchanged wherever it is bound,
and the tests that run it are asked, quick ones first, until one fails.
"""

import gc
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest

from tests.mutation.forks import TimedOut, end_after, in_forks
from tests.mutation.judging import OPTIONS, Verdict, hurry_hypothesis, in_silence, patience, verdict_on
from tests.mutation.mutants import Mutant
from tests.mutation.subjects import SUBJECTS

_FILES = {str(subject.file): subject.module for subject in SUBJECTS}

Function = tuple[str, str]


@dataclass(frozen=True)
class _Run:
    """One test as it ran without any mutant."""

    seconds: float
    functions: frozenset[Function]


@dataclass(eq=False)
class _Bench:
    """The plugin that has pytest judge mutants in place of running its tests."""

    mutants: Sequence[Mutant]
    parallel: int
    postgres: tuple[Path, int] | None
    verdicts: list[Verdict] = field(default_factory=list)
    failed: str = ""
    broken: str = ""

    def pytest_configure(self, config: pytest.Config) -> None:
        config.option.running_postgres = self.postgres

    def pytest_sessionstart(self) -> None:
        hurry_hypothesis()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed, self.broken = report.nodeid, str(report.longrepr)

    def pytest_internalerror(self, excrepr: object) -> None:
        self.broken = str(excrepr)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        [(_, runs)] = in_forks([list(items.values())], self._measure, parallel=1)
        assert not isinstance(runs, TimedOut)
        functions = _functions()
        asked = _asked(runs)
        gc.freeze()

        def judge(mutant: Mutant) -> str:
            assert mutant.function is not None
            nodeids = asked[mutant.subject.module, mutant.function]
            end_after(patience(sum(runs[each].seconds for each in nodeids)))
            _exchange(functions[mutant.subject.module, mutant.function], mutant)
            return self._first_failure([items[each] for each in nodeids])

        for mutant, by in in_forks(self.mutants, judge, parallel=self.parallel):
            self.verdicts.append(verdict_on(mutant, by))
        return True

    def _measure(self, items: list[pytest.Item]) -> dict[str, _Run]:
        runs = {}
        with _noting_functions() as taken:
            for item, following in zip(items, [*items[1:], None], strict=True):
                began = time.monotonic()
                item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
                runs[item.nodeid] = _Run(time.monotonic() - began, taken())
                if self.failed:
                    raise AssertionError(f"{self.failed} fails without any mutant:\n{self.broken}")
        return runs

    def _first_failure(self, items: list[pytest.Item]) -> str:
        with in_silence():
            # No test at all runs some functions.
            for item, following in zip(items, [*items[1:], None], strict=False):
                item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
                if self.failed:
                    break
        return self.failed


def judge_hot(
    mutants: Sequence[Mutant], tests: Sequence[str], *, parallel: int, postgres: tuple[Path, int] | None
) -> list[Verdict]:
    """Return the verdicts on mutants of functions; afterwards this process has imported every subject."""
    if not mutants:
        return []
    bench = _Bench(mutants, parallel, postgres)
    with in_silence():
        code = pytest.main([*OPTIONS, *tests], plugins=[bench])
    if code != pytest.ExitCode.OK or len(bench.verdicts) != len(mutants):
        raise RuntimeError(f"The tests could not be collected or run ({code!r}): {bench.broken}")
    return bench.verdicts


def _asked(runs: dict[str, _Run]) -> dict[Function, list[str]]:
    """Return by function the tests that run it, quick ones first."""
    asked: dict[Function, list[str]] = defaultdict(list)
    for nodeid, run in sorted(runs.items(), key=lambda each: each[1].seconds):
        for function in run.functions:
            asked[function].append(nodeid)
    return asked


def _functions() -> dict[Function, list[FunctionType]]:
    """Return every function of the subjects wherever it is bound: in modules, classes, properties, validators."""
    found: dict[Function, list[FunctionType]] = defaultdict(list)
    for each in gc.get_objects():
        if type(each) is FunctionType and each.__code__.co_filename in _FILES:
            found[_function(each.__code__)].append(each)
    return found


def _function(code: CodeType) -> Function:
    return _FILES[code.co_filename], code.co_qualname.partition(".<locals>")[0]


def _exchange(functions: list[FunctionType], mutant: Mutant) -> None:
    [code] = [each for each in _codes(mutant.code()) if each.co_qualname == mutant.function]
    for function in functions:
        if function.__code__.co_qualname == mutant.function:
            function.__code__ = code


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


@contextmanager
def _noting_functions() -> Iterator[Callable[[], frozenset[Function]]]:
    """Yield what returns the functions that ran since it was last asked, in this thread and in later ones."""
    noted: set[Function] = set()

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename in _FILES:
            noted.add(_function(frame.f_code))

    def taken() -> frozenset[Function]:
        since = frozenset(noted)
        noted.clear()
        # A test that recurses without end ends the profile with it.
        sys.setprofile(note)
        return since

    sys.setprofile(note)
    threading.setprofile(note)
    try:
        yield taken
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
