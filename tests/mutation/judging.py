"""Lets the tests judge a mutant.

A mutant of a function is judged *hot*: all tests are collected once, PostgreSQL runs, and in a fork the code of the
function is exchanged wherever it is bound; then the tests that run it are asked, quick ones first, until one fails.
A mutant of what a module does on import is judged *cold*: a fork of a process that has not imported it yet imports
the mutant in its place and collects the tests anew.
"""

import gc
import importlib
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import entry_points
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.mutation.forks import TimedOut, end_after, in_forks
from tests.mutation.mutants import Mutant
from tests.mutation.subjects import SUBJECTS

# What these plugins do, or look through all of memory for, no mutant is told by.
_WITHOUT = ("cacheprovider", "unraisableexception", "threadexception", "schemathesis", "playwright", "pytest_cov")
_OPTIONS = (
    *("-x", "-q", "-s", "--tb=native", "-W", "ignore::pytest.PytestAssertRewriteWarning"),
    *(word for name in _WITHOUT for word in ("-p", f"no:{name}")),
)
_PURE = ("tests/domain", "tests/adapters")
_PATIENCE_SECONDS = 20.0
_PATIENCE_FACTOR = 10
# What no subject is part of is imported once, before the forks.
_PRELOADED = (
    *(
        "httpx",
        "hypothesis.strategies",
        "jwt",
        "psycopg_pool",
        "phonenumbers",
        "email_validator",
        "pyotp",
        "twilio.rest",
    ),
    *(
        "fastapi",
        "starlette.requests",
        "sendgrid",
        "temporalio.worker",
        "temporalio.testing",
        "authlib.common.security",
        "uvicorn",
    ),
    *("temporalio.contrib.pydantic", "pydantic_settings", "alembic.command", "typer"),
)
_FILES = {str(subject.file): subject.module for subject in SUBJECTS}

Function = tuple[str, str]


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant; ``by`` names the test that noticed it."""

    mutant: Mutant
    fate: str
    by: str = ""


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
        _hurry_hypothesis()

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
            end_after(_PATIENCE_SECONDS + _PATIENCE_FACTOR * sum(runs[each].seconds for each in nodeids))
            _exchange(functions[mutant.subject.module, mutant.function], mutant)
            return self._first_failure([items[each] for each in nodeids])

        for mutant, by in in_forks(self.mutants, judge, parallel=self.parallel):
            self.verdicts.append(_verdict(mutant, by))
        return True

    def _measure(self, items: list[pytest.Item]) -> dict[str, _Run]:
        runs = {}
        for item, following in zip(items, [*items[1:], None], strict=True):
            began = time.monotonic()
            with _noting_functions() as noted:
                item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            runs[item.nodeid] = _Run(time.monotonic() - began, frozenset(noted))
            if self.failed:
                raise AssertionError(f"{self.failed} fails without any mutant:\n{self.broken}")
        return runs

    def _first_failure(self, items: list[pytest.Item]) -> str:
        with _in_silence():
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
    bench = _Bench(mutants, parallel, postgres)
    with _in_silence():
        code = pytest.main([*_OPTIONS, *tests], plugins=[bench])
    if code != pytest.ExitCode.OK or len(bench.verdicts) != len(mutants):
        raise RuntimeError(f"The tests could not be collected or run ({code!r}): {bench.broken}")
    return bench.verdicts


def judge_cold(mutants: Sequence[Mutant], *, parallel: int, postgres: tuple[Path, int] | None) -> Iterator[Verdict]:
    """Yield the verdicts on what modules do on import."""
    for name in _PRELOADED:
        importlib.import_module(name)
    for plugin in entry_points(group="pytest11"):
        plugin.load()
    gc.freeze()

    def judge(mutant: Mutant) -> str:
        end_after(_PATIENCE_SECONDS + _PATIENCE_FACTOR * usual)
        sys.meta_path.insert(0, _Finder(mutant.subject.module, mutant.subject.file, mutant.code()))
        with _in_silence():
            return _first_failure(mutant.subject.tests, postgres)

    tests = tuple(dict.fromkeys(test for mutant in mutants for test in mutant.subject.tests))
    began = time.monotonic()
    [(_, failed)] = in_forks([tests], lambda _: _unmutated(tests, postgres), parallel=1)
    if failed:
        raise RuntimeError(f"{failed} fails without any mutant")
    usual = time.monotonic() - began
    for mutant, by in in_forks(mutants, judge, parallel=parallel):
        yield _verdict(mutant, by)


def _unmutated(tests: Sequence[str], postgres: tuple[Path, int] | None) -> str:
    with _in_silence():
        return _first_failure(tests, postgres)


def _first_failure(tests: Sequence[str], postgres: tuple[Path, int] | None) -> str:
    for test in tests:
        plugin = _Cold(postgres)
        # Rules need no stack, nor the import of all that it is made of.
        alone = [f"--confcutdir={'/'.join(test.split('/')[:2])}"] if test.startswith(_PURE) else []
        code = pytest.main([*_OPTIONS, *alone, test], plugins=[plugin])
        if code != pytest.ExitCode.OK:
            return plugin.failed or "import"
    return ""


@dataclass(eq=False)
class _Cold:
    postgres: tuple[Path, int] | None
    failed: str = ""

    def pytest_configure(self, config: pytest.Config) -> None:
        config.option.running_postgres = self.postgres

    def pytest_sessionstart(self) -> None:
        _hurry_hypothesis()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed = self.failed or report.nodeid


@dataclass(eq=False)
class _Finder(MetaPathFinder, Loader):
    """Has the mutant imported in place of the module."""

    module: str
    file: Path
    code: CodeType

    def find_spec(self, name: str, _path: object, _target: object = None) -> ModuleSpec | None:
        return spec_from_file_location(name, self.file, loader=self) if name == self.module else None

    def exec_module(self, module: ModuleType) -> None:
        exec(self.code, vars(module))  # noqa: S102 - what importing a module means


def _verdict(mutant: Mutant, by: str | TimedOut) -> Verdict:
    if isinstance(by, TimedOut):
        return Verdict(mutant, "timed out")
    return Verdict(mutant, "killed" if by else "survived", by)


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
def _noting_functions() -> Iterator[set[Function]]:
    noted: set[Function] = set()

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename in _FILES:
            noted.add(_function(frame.f_code))

    sys.setprofile(note)
    try:
        yield noted
    finally:
        sys.setprofile(None)


@contextmanager
def _in_silence() -> Iterator[None]:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    kept = os.dup(1), os.dup(2)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)


def _hurry_hypothesis() -> None:
    # A failure need not be made small to be one; and the examples are the same each time.
    phases = [Phase.explicit, Phase.generate]
    checks = list(HealthCheck)
    settings.register_profile("mutants", deadline=None, derandomize=True, phases=phases, suppress_health_check=checks)
    settings.load_profile("mutants")
