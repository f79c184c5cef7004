"""Proof by fault: ``python -m tests.chaos --journeys 500 --faults 100 --seed 1 [--write docs/reliability.md]``."""

import argparse
import asyncio
import sys
from pathlib import Path

from tests.chaos.breaking import BREAKS
from tests.chaos.reporting import FIGURES, report
from tests.chaos.running import Options, run

_MOST_TOLD = 60


def main() -> int:
    """Print the figures and what must not be; return 1 if there is anything of it."""
    arguments = _arguments()
    options = Options(
        journeys=arguments.journeys,
        faults=arguments.faults,
        seed=arguments.seed,
        at_once=arguments.at_once,
        broken=arguments.broken,
        keep=arguments.keep,
    )
    done = asyncio.run(run(options))
    asked = f"--journeys {options.journeys} --faults {options.faults} --seed {options.seed}"
    text = report(done, command=f'make chaos ARGS="{asked}"')
    sys.stdout.write(f"{text}\n\n")
    sys.stdout.write("".join(f"{each}\n" for each in done.findings[:_MOST_TOLD]))
    if arguments.write:
        FIGURES.write(arguments.write, text)
    return 1 if done.findings else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--journeys", type=int, default=500)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=24, help="so many people at most are at work at a time")
    parser.add_argument("--broken", choices=sorted(BREAKS), default="", help="break the product in this way")
    parser.add_argument("--write", type=Path, help="put the figures into this document")
    parser.add_argument("--keep", type=Path, help="run in this folder, and keep its logs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
