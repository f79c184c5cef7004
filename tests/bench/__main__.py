"""Measures costs: ``python -m tests.bench [journeys|waiting|verification]``; of reads: ``tests.bench.reads``."""

import argparse
import sys
import tempfile
from pathlib import Path

import uvloop

from tests.bench import reporting
from tests.bench.journeys import side_by_side
from tests.bench.verification import verification_report
from tests.bench.waiting import wait_at_scale, waiting_report


def main() -> None:
    """Measure what was asked for, and print the figures, or put them into a document."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as name:
        if arguments.what == "waiting":
            _waiting(Path(name), arguments)
        elif arguments.what == "verification":
            _verification(Path(name), arguments)
        else:
            _journeys(Path(name), arguments)


def _journeys(folder: Path, arguments: argparse.Namespace) -> None:
    concurrency = tuple(arguments.concurrency)
    results = uvloop.run(side_by_side(folder, rounds=arguments.rounds, concurrency=concurrency))
    sys.stdout.write(f"{reporting.journeys_report(results)}\n")
    if arguments.write:
        reporting.write(arguments.write, results)


def _waiting(folder: Path, arguments: argparse.Namespace) -> None:
    told = waiting_report(uvloop.run(wait_at_scale(folder, requests=arguments.requests)))
    sys.stdout.write(f"{told}\n")
    if arguments.write:
        reporting.WAITING.write(arguments.write, told)


def _verification(folder: Path, arguments: argparse.Namespace) -> None:
    told = uvloop.run(verification_report(folder, rounds=arguments.rounds, trials=arguments.trials))
    sys.stdout.write(f"{told}\n")
    if arguments.write:
        reporting.VERIFICATION.write(arguments.write, told)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("what", nargs="?", choices=("journeys", "waiting", "verification"), default="journeys")
    parser.add_argument("--rounds", type=int, default=3, help="how often each kind has its turn")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 20, 100])
    parser.add_argument("--requests", type=int, default=20_000, help="so many wait")
    parser.add_argument("--trials", type=int, default=500, help="so many deactivations")
    parser.add_argument("--write", type=Path, help="put the figures into this document")
    return parser.parse_args()


if __name__ == "__main__":
    main()
