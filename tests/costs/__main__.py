"""The costs of the journeys: ``python -m tests.costs`` checks them, ``--write`` writes table and document anew."""

import argparse
import sys
from pathlib import Path

import pytest


class _Writing:
    """Tells the fixture that measures to write what it found."""

    def pytest_configure(self, config: pytest.Config) -> None:
        config.option.write_costs = True


def main() -> int:
    """Return 1 when a limit is passed, or when costs are checked and changed."""
    parser = argparse.ArgumentParser(prog="python -m tests.costs")
    parser.add_argument("--write", action="store_true", help="put the counts into expected.toml and the document")
    plugins = [_Writing()] if parser.parse_args().write else []
    return int(pytest.main([str(Path(__file__).parent), "-q"], plugins=plugins))


if __name__ == "__main__":
    sys.exit(main())
