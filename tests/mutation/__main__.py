"""Runs the mutation tests: ``python -m tests.mutation [GROUP or MODULE …] [--sample N]``."""

import argparse
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.mutation.cold import judge_cold
from tests.mutation.hot import judge_hot
from tests.mutation.judging import Verdict
from tests.mutation.mutants import Mutant, all_mutants
from tests.mutation.reporting import complaints, table
from tests.mutation.subjects import ROOT, tests_of

_SEED = 4
_PARALLEL = 2
_NEEDS_POSTGRES = ("tests/effects", "tests/callers")


def main() -> int:
    """Print the figures and what is wrong with them; return 1 if anything is."""
    arguments = _arguments()
    mutants = [each for each in all_mutants() if _is_wanted(each, arguments.only)]
    if arguments.sample:
        mutants = random.Random(_SEED).sample(mutants, arguments.sample)
    verdicts = _judged(mutants, verbose=arguments.verbose)
    wrong = complaints(verdicts)
    sys.stdout.write("\n".join(["", table(verdicts), "", *wrong, ""]))
    return 1 if wrong else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("only", nargs="*", help="groups, modules or mutants; all of them if none is given")
    parser.add_argument("--sample", type=int, default=0, help="so many of them, the same ones each time")
    parser.add_argument("--verbose", action="store_true", help="tell of every mutant who noticed it")
    return parser.parse_args()


def _is_wanted(mutant: Mutant, only: Sequence[str]) -> bool:
    return not only or any(each in {mutant.subject.group, mutant.subject.module, mutant.name} for each in only)


def _judged(mutants: Sequence[Mutant], *, verbose: bool) -> list[Verdict]:
    tests = tests_of(each.subject for each in mutants)
    cold = [each for each in mutants if each.function is None]
    hot = [each for each in mutants if each.function is not None]
    verdicts = []
    with _postgres(needed=any(test.startswith(_NEEDS_POSTGRES) for test in tests)) as postgres:
        # Cold ones first: the others have this process import what is mutated.
        for verdict in judge_cold(cold, parallel=_PARALLEL, postgres=postgres):
            _tell(verdict, verbose=verbose)
            verdicts.append(verdict)
        for verdict in judge_hot(hot, tests, parallel=_PARALLEL, postgres=postgres):
            _tell(verdict, verbose=verbose)
            verdicts.append(verdict)
    order = {each.name: number for number, each in enumerate(mutants)}
    return sorted(verdicts, key=lambda each: order[each.mutant.name])


def _tell(verdict: Verdict, *, verbose: bool) -> None:
    if verbose or verdict.fate != "killed":
        sys.stderr.write(f"{verdict.fate}: {verdict.mutant.name} {verdict.by}\n")


@contextmanager
def _postgres(*, needed: bool) -> Iterator[tuple[Path, int] | None]:
    if not needed:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "postgres"
        command = [sys.executable, "-m", "tests.mutation.postgres", str(data)]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout
            try:
                yield data, int(server.stdout.readline())
            finally:
                server.communicate()


if __name__ == "__main__":
    sys.exit(main())
