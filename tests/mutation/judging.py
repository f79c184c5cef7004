"""What both ways of judging a mutant share: its verdict, and how pytest is run for it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, settings

from tests.mutation.forks import TimedOut
from tests.mutation.mutants import Mutant

# What these plugins do, or look through all of memory for, no mutant is told by.
_WITHOUT = ("cacheprovider", "unraisableexception", "threadexception", "schemathesis", "playwright", "pytest_cov")
OPTIONS = (
    *("-x", "-q", "-s", "--tb=native", "-W", "ignore::pytest.PytestAssertRewriteWarning"),
    *(word for name in _WITHOUT for word in ("-p", f"no:{name}")),
)
_PATIENCE_SECONDS = 20.0
_PATIENCE_FACTOR = 10


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant; ``by`` names the test that noticed it."""

    mutant: Mutant
    fate: str
    by: str = ""


def verdict_on(mutant: Mutant, by: str | TimedOut) -> Verdict:
    if isinstance(by, TimedOut):
        return Verdict(mutant, "timed out")
    return Verdict(mutant, "killed" if by else "survived", by)


def patience(usual: float) -> float:
    """Return after how many seconds a mutant hangs whose tests take ``usual`` ones."""
    return _PATIENCE_SECONDS + _PATIENCE_FACTOR * usual


@contextmanager
def in_silence() -> Iterator[None]:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    kept = os.dup(1), os.dup(2)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)


def hurry_hypothesis() -> None:
    # A failure need not be made small to be one; and the examples are the same each time.
    phases = [Phase.explicit, Phase.generate]
    checks = list(HealthCheck)
    settings.register_profile("mutants", deadline=None, derandomize=True, phases=phases, suppress_health_check=checks)
    settings.load_profile("mutants")
