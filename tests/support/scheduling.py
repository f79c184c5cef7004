"""Which process of `pytest -n` runs what, and when."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

# Each of these starts a whole local stack, once for all of its files.
_ONE_STACK = ("tests/processes", "tests/cli")
_LONGEST_FIRST = (
    *_ONE_STACK,
    "tests/chaos",
    "tests/costs",
    "tests/browser",
    "tests/durability",
    "tests/journeys",
    "tests/api",
)


class ByFile(LoadFileScheduling):  # type: ignore[misc] # xdist has no types
    """A file is run by one process, and so is a folder whose tests share a stack; long ones begin."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        config.option.loadscopereorder = False  # the files with the fewest tests are not the shortest
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        folder = file.rpartition("/")[0]
        return folder if folder in _ONE_STACK else file


def longest_first(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return the tests so that no long file begins when the others are nearly done."""
    return sorted(items, key=_rank)


def _rank(item: pytest.Item) -> int:
    folder = Path(item.nodeid.split("::")[0]).parent.as_posix()
    return _LONGEST_FIRST.index(folder) if folder in _LONGEST_FIRST else len(_LONGEST_FIRST)
