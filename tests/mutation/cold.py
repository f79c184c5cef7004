"""Mutants of what a module does on import, judged *cold*.

A fork of a process that has not imported the project yet imports the mutant in the module's place, collects the tests
of the module anew, and runs them until one fails.
"""

import gc
import importlib
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import entry_points
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

import pytest

from tests.mutation.forks import end_after, in_forks
from tests.mutation.judging import OPTIONS, Verdict, hurry_hypothesis, in_silence, patience, verdict_on
from tests.mutation.mutants import Mutant

_PURE = ("tests/domain", "tests/adapters")
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


def judge_cold(mutants: Sequence[Mutant], *, parallel: int, postgres: tuple[Path, int] | None) -> Iterator[Verdict]:
    """Yield the verdicts on what modules do on import."""
    if not mutants:
        return
    for name in _PRELOADED:
        importlib.import_module(name)
    for plugin in entry_points(group="pytest11"):
        plugin.load()
    gc.freeze()

    def judge(mutant: Mutant) -> str:
        end_after(patience(usual))
        sys.meta_path.insert(0, _Finder(mutant.subject.module, mutant.subject.file, mutant.code()))
        with in_silence():
            return _first_failure(mutant.subject.tests, postgres)

    tests = tuple(dict.fromkeys(test for mutant in mutants for test in mutant.subject.tests))
    began = time.monotonic()
    [(_, failed)] = in_forks([tests], lambda _: _unmutated(tests, postgres), parallel=1)
    if failed:
        raise RuntimeError(f"{failed} fails without any mutant")
    usual = time.monotonic() - began
    for mutant, by in in_forks(mutants, judge, parallel=parallel):
        yield verdict_on(mutant, by)


def _unmutated(tests: Sequence[str], postgres: tuple[Path, int] | None) -> str:
    with in_silence():
        return _first_failure(tests, postgres)


def _first_failure(tests: Sequence[str], postgres: tuple[Path, int] | None) -> str:
    for test in tests:
        plugin = _Cold(postgres)
        # Rules need no stack, nor the import of all that it is made of.
        alone = [f"--confcutdir={'/'.join(test.split('/')[:2])}"] if test.startswith(_PURE) else []
        code = pytest.main([*OPTIONS, *alone, test], plugins=[plugin])
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
        hurry_hypothesis()

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
